"""The programs of a stage, compiled before they are needed.

    program of a step = Run.program(stage, data, step)                                        (1)

(1) is a function of (seed, step), so a thread looks ``AHEAD`` steps ahead and compiles, one after
the other in the order of first use, while the devices work.  A step waits only if its own program
is not ready, and before a program's first step for the hosts whose compiler is slower: collectives
of CPUs and GPUs do not wait that long.  Its model FLOPs are counted from the same trace.
"""

import concurrent.futures
from collections.abc import Callable, Hashable
from typing import Any

from orbax.checkpoint import multihost

from pv_vae_jax.sharding import shapes
from pv_vae_jax.training import throughput
from pv_vae_jax.training.placement import Placement
from pv_vae_jax.training.run import Data, Run

AHEAD = 1000  # steps
SLOWEST = 3600  # seconds that the slowest host may compile longer than the fastest

Compiled = tuple[Callable, int | None]  # the program, its model FLOPs if they are known


class Programs:
    """The programs of the steps from ``start`` to ``last``; close it at the end."""

    def __init__(
        self, run: Run, placement: Placement, data: Data, constants: Any, start: int, last: int
    ):
        """Begins to compile; ``constants``: those of the stage on the devices, or None."""
        self._run, self._placement, self._data = run, placement, data
        self._constants = shapes.of(constants)
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "compile")
        self._found: dict[Hashable, concurrent.futures.Future[Compiled]] = {}
        self._keys: dict[int, Hashable] = {}  # of the steps that are in sight
        self._begun: set[Hashable] = set()
        self._seen, self._last = start, last

    def key(self, step: int) -> Hashable:
        """Equation (1)."""
        return self._run.program(self._placement.stage, self._data, step)

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

    def _compiled(self, key: Hashable) -> Compiled:
        step, args = self._run.update(self._placement, key, self._constants)
        return step.lower(*args).compile(), throughput.model_flops(step, *args)

    def close(self) -> None:
        """Drops what has not been begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)
