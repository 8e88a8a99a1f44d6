"""Step time of each bucket of a config, and whether the buckets are balanced.

    ratio = median ms of the bucket's step / mean over the buckets,     even = batch / ratio     (1)

Balanced buckets have ratios within 20% of each other (docs/design.md): a step of any resolution
costs the same, so that no host waits.  ``even`` is the batch that would make it so.  The clips are
noise, nothing is withheld, the buckets alternate; by default the model is the tiny one.

    python -m launch.bench buckets --config configs/pv_vae_661m.py:tiny --plain
"""

import argparse
import importlib.util
import pathlib
import statistics
import time
from typing import Any


def _config(text: str) -> dict[str, Any]:
    """The config of ``FILE`` or ``FILE:ARGUMENT``, as plain dicts."""
    path, _, argument = text.partition(":")
    if not pathlib.Path(path).is_file():
        raise ValueError(f"--config {path}: there is no such file.")
    spec = importlib.util.spec_from_file_location("benched_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(*[argument] * bool(argument)).to_dict()


def _divided(buckets: tuple[tuple, ...], by: int) -> tuple[tuple, ...]:
    for height, width, batch, *_ in buckets:
        if batch % by:
            raise ValueError(
                f"--divide {by}: the batch {batch} at {height}x{width} is no multiple."
            )
    return tuple((height, width, batch // by, *rest) for height, width, batch, *rest in buckets)


def measure(config: dict[str, Any], name: str, rounds: int) -> dict[tuple, list[float]]:
    """Seconds of each step of a stage's buckets ``(height, width, batch)``, ``rounds`` of each."""
    import jax
    import numpy as np

    from pv_vae_jax.core import dims
    from pv_vae_jax.data.batch import Batch
    from pv_vae_jax.sharding import mesh as meshes
    from pv_vae_jax.training import restore, vae_step
    from pv_vae_jax.training.run import Run

    run = Run.of(config | {"run": (name,)})
    (stage,) = run.stages
    mesh = meshes.make_mesh()
    state = restore.begin(run, stage, None, mesh)
    lpips = meshes.put_replicated(mesh, run.lpips(stage))
    step = vae_step.compiled(
        vae_step.Networks(run.module, run.discriminator),
        stage,
        run.seed,
        vae_step.Program(gan="gan" in stage.weights),
        meshes.replicated(mesh),
        meshes.over_data(mesh),
    )
    groups = dims.groups_of(stage.data.frames, run.module.spec.temporal)
    random, batches = np.random.default_rng(0), {}
    for height, width, count, *_ in stage.data.buckets:
        meshes.check_batch(mesh, count, stage.optimizer.accumulate)
        shape = (count, stage.data.frames, height, width, 3)
        batches[height, width, count] = Batch(
            video=random.integers(0, 256, shape, np.uint8),
            observed=np.ones((count, groups, 1, 1), bool),
            index=np.arange(count, dtype=np.uint32),
            label=np.full(count, -1, np.int32),
        )
    seconds: dict[tuple, list[float]] = {bucket: [] for bucket in batches}
    for round_ in range(rounds + 1):
        for bucket, batch in batches.items():
            placed = meshes.put_batch(mesh, batch)
            jax.block_until_ready(placed)
            begin = time.perf_counter()
            state, report = step(state, placed, lpips)
            jax.block_until_ready((state, report))
            if round_:
                seconds[bucket].append(time.perf_counter() - begin)
    return seconds


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench buckets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--config", required=True, metavar="FILE[:ARGUMENT]", help="as launch.train's")
    it.add_argument("--stage", help="default: every stage of config.run")
    it.add_argument("--model", default="pv_vae_tiny", help="a named size, or `config` for its own")
    it.add_argument("--divide", type=int, default=1, metavar="N", help="batches divided by N")
    it.add_argument("--plain", action="store_true", help="without LPIPS and GAN")
    it.add_argument("--rounds", type=int, default=10, help="counted rounds, after one of warm-up")
    args = it.parse_args(argv)

    from pv_vae_jax.models import sizes

    config = _config(args.config)
    if args.model != "config":
        dtype = config["model"]["fields"]["dtype"]
        config["model"] = {"name": args.model, "fields": sizes.fields(args.model, dtype=dtype)}
    names = (args.stage,) if args.stage else config["run"]
    for name in names:
        if name not in config["stages"]:
            raise ValueError(f"--stage {name}: the stages are {', '.join(config['stages'])}.")
        stage = config["stages"][name]
        stage["data"]["buckets"] = _divided(stage["data"]["buckets"], args.divide)
        stage["init_from"] = ""
        if args.plain:
            stage["weights"] |= {"lpips": 0.0, "gan": 0.0}
    for name in names:
        print(f"{name} of {args.config}, {config['model']['name']}", end=", ")
        print(f"T = {config['stages'][name]['data']['frames']}")
        seconds = measure(config, name, args.rounds)
        medians = {bucket: statistics.median(times) for bucket, times in seconds.items()}
        mean = statistics.mean(medians.values())
        for (height, width, batch), median in medians.items():
            ratio = median / mean
            print(
                f"  {height:>4} x {width:<4} x {batch:<4}{median * 1e3:>10.1f} ms a step"
                f"{ratio:>8.2f} of the mean, even batch {batch / ratio:.1f}"
            )
        spread = max(medians.values()) / min(medians.values())
        print(f"  slowest / fastest {spread:.2f}")
