"""A program of a generator on this host's devices, ready to be timed: fresh weights, noise.

Its arguments wait in the memory of the host and are on the devices during a turn only, so that
several large generators take turns on a device that holds one of them.
"""

import time
from typing import Any

import jax
import numpy as np

from launch.bench.stage_step import Memory
from launch.compile import programs
from pv_vae_jax.costs import flops
from pv_vae_jax.data.buckets import Bucket
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import ahead, beginning, placement
from pv_vae_jax.training.ahead import Ahead
from pv_vae_jax.training.generator_run import GeneratorRun


class Step:
    """A compiled program.

    Attributes:
      model_flops: of one run on all devices.
      memory: XLA's own account of one device.
    """

    def __init__(self, ahead: Ahead, arguments: tuple[Any, ...], carries: bool):
        """Compiles.

        Args:
          ahead: the program.
          arguments: its arguments as arrays of the host.
          carries: whether the first result is the first argument of the next run.
        """
        lowered = ahead.function.lower(*ahead.arguments)
        self._program, self._carries = lowered.compile(), carries
        self._arguments = arguments
        self._shardings = jax.tree.map(lambda leaf: leaf.sharding, ahead.arguments)
        self.model_flops = flops.of(ahead.function, *ahead.arguments).model
        found = self._program.memory_analysis()
        self.memory = Memory(found.temp_size_in_bytes, found.argument_size_in_bytes)

    def turn(self, runs: int) -> list[float]:
        """Seconds of each of so many runs, after one that is not counted."""
        arguments, seconds = meshes.put(self._shardings, self._arguments), []
        for _ in range(1 + runs):
            begin = time.perf_counter()
            result = jax.block_until_ready(self._program(*arguments))
            seconds.append(time.perf_counter() - begin)
            if self._carries:
                arguments = (result[0], *arguments[1:])
        return seconds[1:]


def _labels(count: int, classes: int) -> np.ndarray:
    return np.arange(count, dtype=np.int32) % max(1, classes)


def training(run: GeneratorRun, mesh: jax.sharding.Mesh) -> Step:
    """An update of the only stage of a run, on kept latents that are noise."""
    (stage,) = run.stages
    placed = placement.of(run, stage, mesh)
    (bucket,) = stage.data.buckets
    program = ahead.train(run, stage, mesh, Bucket(*bucket))
    form = program.arguments[1]
    count, random = len(form.index), np.random.default_rng(0)
    batch = form.replace(
        mean=random.standard_normal(form.mean.shape, np.float32).astype(form.mean.dtype),
        logvar=np.zeros(form.logvar.shape, form.logvar.dtype),
        index=np.arange(count, dtype=np.uint32),
        label=_labels(count, run.module.classes),
    )
    state = meshes.to_host(beginning.begin(run, placed, None))
    return Step(program, (state, batch, None), carries=True)


def sampling(run: GeneratorRun, mesh: jax.sharding.Mesh, per_device: int) -> Step:
    """Noise to latents by ``config.sampling``, ``per_device`` samples on each device."""
    program = programs.sampling(run, mesh, per_device).ahead
    count, classes = len(program.arguments[1]), run.module.classes
    params = jax.device_get(run.initial_params())
    labels = _labels(count, classes) if classes else None
    return Step(program, (params, np.arange(count, dtype=np.uint32), labels), carries=False)
