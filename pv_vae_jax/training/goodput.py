"""Which share of a run's wall clock went into updates that it has kept.

    goodput = sum over records of updates x seconds/step, over seconds since the first start    (1)

The records are those that stand in ``metrics.jsonl``: an update that a killed run lost and did
again counts once.  What its first time took, restarts, compiling, waiting for data, checkpoints and
evaluation are not good.
"""

import datetime
import time
from collections.abc import Iterable
from typing import Any

from pv_vae_jax.core import json_files, storage


class Goodput:
    """Equation (1) of a run."""

    def __init__(self, first_start: float, records: Iterable[dict[str, Any]] = ()):
        """``first_start`` is a time of ``time.time``; ``records`` stand in the log already."""
        self._first_start, self._good = first_start, 0.0
        self._at: dict[str, int] = {}  # of each stage: the last update that is counted
        for record in records:
            self.add(record)

    @classmethod
    def of(cls, workdir: storage.Where, records: Iterable[dict[str, Any]]) -> "Goodput":
        """Of the run in ``workdir``, whose ``runs.jsonl`` tells the first start; now if none."""
        path, first_start = storage.path(workdir) / "runs.jsonl", time.time()
        if storage.exists(path) and (starts := json_files.lines(path)):
            first_start = datetime.datetime.fromisoformat(starts[0]["date"]).timestamp()
        return cls(first_start, records)

    def add(self, record: dict[str, Any]) -> float | None:
        """The share so far, with one more record; None if the record is not one of updates."""
        if "seconds/step" not in record:
            return None
        stage, step = record["stage"], record["step"]
        self._good += (step - self._at.get(stage, 0)) * record["seconds/step"]
        self._at[stage] = step
        return min(1.0, self._good / max(time.time() - self._first_start, 1e-9))
