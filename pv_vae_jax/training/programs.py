"""The programs of a stage, compiled before they are needed.

    program of a step = (how many groups `slice` leaves out, GAN, R1; bucket)                 (1)

(1) is a function of (seed, step) (data/pipeline.py), so a thread looks ``AHEAD`` steps ahead and
compiles, one after the other in the order of first use, while the devices work.  A step waits only
if its own program is not ready, and before a program's first step for the hosts whose compiler is
slower: collectives of CPUs and GPUs do not wait that long.  Its model FLOPs are counted from the
same trace.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import jax
from orbax.checkpoint import multihost

from pv_vae_jax.data.buckets import Bucket
from pv_vae_jax.data.pipeline import TrainingData
from pv_vae_jax.training import ahead, throughput, vae_step
from pv_vae_jax.training.placement import Placement
from pv_vae_jax.training.run import Run

AHEAD = 1000  # steps
SLOWEST = 3600  # seconds that the slowest host may compile longer than the fastest

Key = tuple[vae_step.Program, Bucket]
Compiled = tuple[Callable, int | None]  # the program, its model FLOPs if they are known


class Programs:
    """The programs of the steps from ``start`` to ``last``; close it at the end."""

    def __init__(
        self, run: Run, placement: Placement, data: TrainingData, judge: Any, start: int, last: int
    ):
        """Begins to compile; ``judge`` is LPIPS on the devices, or None."""
        self._run, self._placement, self._data = run, placement, data
        self._judge = jax.tree.map(_shape, judge)
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "compile")
        self._found: dict[Key, concurrent.futures.Future[Compiled]] = {}
        self._keys: dict[int, Key] = {}  # of the steps that are in sight
        self._begun: set[Key] = set()
        self._seen, self._last = start, last

    def key(self, step: int) -> Key:
        """Equation (1)."""
        stage, data = self._placement.stage, self._data
        bucket, withheld = data.schedule.bucket(step), 0
        if stage.withholding.way == "slice":
            withheld = int((~data.observed(step, data.schedule.start(step))).sum())
        gan = "gan" in stage.weights and stage.adversarial.runs_at(step)
        penalty = gan and stage.adversarial.penalises_at(step)
        return vae_step.Program(withheld, gan, penalty), bucket

    def at(self, step: int) -> Compiled:
        """The program of a step, asked for once; waits for it, and has the thread look ahead."""
        until = min(self._last, step + AHEAD)
        for later in range(self._seen, until):
            key = self._keys[later] = self.key(later)
            if key not in self._found:
                self._found[key] = self._thread.submit(self._compiled, key)
        self._seen = max(self._seen, until)
        key = self._keys.pop(step)
        compiled = self._found[key].result()
        if key not in self._begun:
            self._begun.add(key)
            name = f"{self._placement.stage.name} {len(self._begun)}"
            multihost.get_barrier_sync_fn()(key=name, timeout_ms=SLOWEST * 1000)
        return compiled

    def _compiled(self, key: Key) -> Compiled:
        program, bucket = key
        form = bucket.height, bucket.width, bucket.batch
        step, args = ahead.update(self._run, self._placement, form, program, self._judge)
        return step.lower(*args).compile(), throughput.model_flops(step, *args)

    def close(self) -> None:
        """Drops what has not been begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _shape(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
