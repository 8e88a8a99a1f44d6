"""What happened between two records of the log: reports of updates, and where the time went.

seconds/W        seconds in W per update: compile, data, checkpoint, evaluation            (1)
seconds/step     the rest: the device's updates, and what the host does beside them
"""

import time
from collections.abc import Callable

import jax

from pv_vae_jax.losses import pixel_terms
from pv_vae_jax.training import reporting, throughput

NOT_STEP = ("compile", "data", "checkpoint", "evaluation")


class Interval:
    """One interval; begins when it is made."""

    def __init__(self, kinds: list[str]):
        """``kinds`` is the ``device_kind`` of each device of the mesh."""
        self._kinds = kinds
        self._flops: list[int | None] = []
        self._begin = time.perf_counter()
        self._spent = dict.fromkeys(NOT_STEP, 0.0)
        self._reports: list[pixel_terms.Report] = []
        self._examples = 0

    def timed(self, what: str, function: Callable, *args):
        """Calls ``function(*args)`` and books its time; a trace names it, too."""
        begin = time.perf_counter()
        with jax.profiler.TraceAnnotation(what):
            result = function(*args)
        self._spent[what] += time.perf_counter() - begin
        return result

    def add(self, report: pixel_terms.Report, examples: int, flops: int | None) -> None:
        """One more update; the report stays on the device."""
        self._reports.append(report)
        self._examples += examples
        self._flops.append(flops)

    def values(self) -> dict[str, float]:
        """Waits for the device; means of the reports, seconds per update, rates per second."""
        values = reporting.merged(self._reports)
        whole, steps = time.perf_counter() - self._begin, len(self._reports)
        values |= {f"seconds/{what}": spent / steps for what, spent in self._spent.items()}
        values["seconds/step"] = (whole - sum(self._spent.values())) / steps
        busy = whole - self._spent["evaluation"]
        values["examples_per_second"] = self._examples / busy
        return values | throughput.values(self._flops, busy, self._kinds)
