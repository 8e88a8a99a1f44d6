"""Stop requests: all hosts stop at the same step, save, and exit 0.

With several processes a SIGTERM to any of them goes through JAX's preemption sync point, which
names one step that no host has passed yet.  With one process the signal (SIGTERM, or SIGINT from
the keyboard) is noted and the step under way is finished.  A second SIGINT ends the process.
"""

import signal

import jax
from jax.experimental import multihost_utils


class StopRequests:
    """Ask :meth:`reached` once for every step, on every host."""

    def __init__(self):
        self._asked = False
        self._previous = {}

    def __enter__(self) -> "StopRequests":
        if jax.process_count() == 1:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        del frame
        self._asked = True
        signal.signal(number, self._previous[number])

    def reached(self, step: int) -> bool:
        """Whether this is the step at which all hosts save and stop."""
        if jax.process_count() == 1:
            return self._asked
        return multihost_utils.reached_preemption_sync_point(step)
