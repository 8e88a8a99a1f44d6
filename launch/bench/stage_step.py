"""One step of a stage of a config, ready to be timed: fresh weights, clips of noise, all seen."""

import argparse
import dataclasses
import time
from typing import Any


def parser(name: str, text: str, config: str = "") -> argparse.ArgumentParser:
    """A command line that names one bucket of one stage; a config is asked for if none is given."""
    it = argparse.ArgumentParser(
        prog=f"python -m launch.bench {name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "--config", default=config, required=not config, metavar="FILE[:ARGUMENT]",
        help="as launch.train's",
    )  # fmt: skip
    it.add_argument("--stage", default="predictive", help="one of config.stages")
    it.add_argument("--bucket", type=int, default=0, metavar="N", help="number of the bucket")
    return it


def check_stage(config: dict[str, Any], name: str) -> None:
    """Raises ValueError if the config is not a video VAE's, or has no such stage."""
    if "model" not in config:
        raise ValueError("--config is a generator's: this benchmark is of video VAEs.")
    if name not in config["stages"]:
        raise ValueError(f"--stage {name}: the stages are {', '.join(config['stages'])}.")


def bucket_of(config: dict[str, Any], name: str, number: int) -> tuple[int, ...]:
    """Bucket ``number`` of a stage: ``(height, width, batch, ...)``.

    Raises:
      ValueError: the config has no such stage, or the stage no such bucket.
    """
    check_stage(config, name)
    buckets = config["stages"][name]["data"]["buckets"]
    if not 0 <= number < len(buckets):
        raise ValueError(f"--bucket {number}: the stage has {len(buckets)}, from 0.")
    return buckets[number]


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes of a compiled program, by XLA's own account."""

    temporary: int
    arguments: int


class StageStep:
    """The compiled step of a stage at one bucket ``(height, width, batch, ...)``."""

    def __init__(self, config: dict[str, Any], name: str, bucket: tuple[int, ...]):
        """Compiles; the GAN is on where the stage has one."""
        import jax
        import numpy as np

        from pv_vae_jax.core import dims
        from pv_vae_jax.costs import flops
        from pv_vae_jax.data.batch import Batch
        from pv_vae_jax.sharding import mesh as meshes
        from pv_vae_jax.training import beginning, placement, vae_step
        from pv_vae_jax.training.vae_run import VAERun

        stages = config["stages"] | {name: config["stages"][name] | {"init_from": ""}}
        run = VAERun.of(config | {"run": (name,), "stages": stages})
        (stage,) = run.stages
        height, width, count, *_ = bucket
        mesh = meshes.make_mesh()
        meshes.check_batch(mesh, count, stage.optimizer.accumulate)
        groups = dims.groups_of(stage.data.frames, run.module.spec.temporal)
        shape = (count, stage.data.frames, height, width, 3)
        batch = Batch(
            video=np.random.default_rng(0).integers(0, 256, shape, np.uint8),
            observed=np.ones((count, groups, 1, 1), bool),
            index=np.arange(count, dtype=np.uint32),
            label=np.full(count, -1, np.int32),
        )
        self._batch = meshes.put_batch(mesh, batch)
        self._lpips = meshes.put_replicated(mesh, run.constants(stage))
        placed = placement.of(run, stage, mesh)
        self.state = beginning.begin(run, placed, None)
        step = vae_step.compiled(
            vae_step.Networks(run.module, run.discriminator),
            stage,
            run.seed,
            vae_step.Program(gan="gan" in stage.weights),
            placed.shardings,
            meshes.over_data(mesh),
        )
        arguments = self.state, self._batch, self._lpips
        self._program = step.lower(*arguments).compile()
        platform = jax.default_backend()  # the forms that run here, on CPU Winograd's
        self.flops = flops.of(step, *arguments, platform=platform).model

    def run(self) -> float:
        """Seconds of one update."""
        import jax

        begin = time.perf_counter()
        self.state, report = self._program(self.state, self._batch, self._lpips)
        jax.block_until_ready((self.state, report))
        return time.perf_counter() - begin

    def memory(self) -> Memory:
        """Of the compiled program."""
        found = self._program.memory_analysis()
        return Memory(found.temp_size_in_bytes, found.argument_size_in_bytes)
