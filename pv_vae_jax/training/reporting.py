"""What a run writes while it goes: metrics.jsonl, TensorBoard, a progress bar.

``workdir/metrics.jsonl`` has one record a line: stage, step, and every value under its name.
``workdir/tensorboard/STAGE`` has the same.  Only the first process writes.  At a URL, where nothing
can be appended, both are written whole: the records at most every ``PAUSE`` seconds, before each
checkpoint and at the end.
"""

import json
import time

import jax
import numpy as np
import tensorboardX
from tqdm import tqdm

from pv_vae_jax.core import json_files, storage
from pv_vae_jax.losses import pixel_terms
from pv_vae_jax.training import boards
from pv_vae_jax.training.goodput import Goodput

PAUSE = 20.0  # seconds between two writes of the records at a URL


def merged(reports: list[pixel_terms.Report]) -> dict[str, float]:
    """Means over several reports of (sum, count); values without any count are left out.

    A report need not have all names: R1 is of some updates, and a GAN begins at one.
    """
    host, sums = jax.device_get(reports), {}
    for report in host:
        for name, value in report.items():
            sums[name] = sums.get(name, 0.0) + np.asarray(value, np.float64)
    return {name: float(total / count) for name, (total, count) in sums.items() if count}


class Lines:
    """A file of lines that grows: appended line by line, or at a URL written whole now and then.

    Args:
      where: of the file; what it held is replaced.
      kept: lines that it begins with.
    """

    def __init__(self, where: storage.Where, kept: list[str]):
        self._where, self._file = where, None
        self._text, self._at, self._written = "".join(kept), 0.0, None
        if storage.is_url(where):
            self.flush()
        else:
            storage.write(where, self._text)
            self._file = open(where, "a", encoding="utf-8", buffering=1)

    def add(self, line: str) -> None:
        """One more line."""
        if self._file:
            self._file.write(line + "\n")
            return
        self._text += line + "\n"
        if time.monotonic() - self._at > PAUSE:
            self.flush()

    def flush(self) -> None:
        """Writes what is not written yet."""
        if self._file is None and len(self._text) != self._written:
            storage.write(self._where, self._text)
            self._at, self._written = time.monotonic(), len(self._text)

    def close(self) -> None:
        """Flushes and closes."""
        self.flush()
        if self._file:
            self._file.close()


class Reporter:
    """Writes the records of one stage.

    Args:
      workdir: of the run.
      stage: name.
      earlier: names of the stages before it; records of later steps or stages, which a killed run
        left behind, are dropped, so that each step stands in the file once.
      start: step at which the stage starts or resumes.
      steps: of the stage, for the progress bar.
      enabled: True on the first process only.
      shown: names of the values beside the progress bar.
    """

    def __init__(
        self, workdir: storage.Where, stage: str, earlier: tuple[str, ...], start: int, steps: int,
        enabled: bool, shown: tuple[str, ...] = ("total",),
    ):  # fmt: skip
        self._stage = stage
        self._enabled, self._shown = enabled, shown
        if not enabled:
            return
        path = storage.path(workdir) / "metrics.jsonl"
        kept, records = [], []
        if storage.exists(path):
            for record in json_files.lines(path):
                here = record["stage"] == stage and record["step"] <= start
                if here or record["stage"] in earlier:
                    kept.append(json.dumps(record) + "\n")
                    records.append(record)
        self._lines = Lines(path, kept)
        self._goodput = Goodput.of(workdir, records)
        self._remote = storage.is_url(workdir)
        if self._remote:
            boards.register()
        self._board = tensorboardX.SummaryWriter(
            str(storage.path(workdir) / "tensorboard" / stage), purge_step=start + 1
        )
        self._bar = tqdm(total=steps, initial=start, desc=stage, unit="step", dynamic_ncols=True)

    def advance(self) -> None:
        """One step further."""
        if self._enabled:
            self._bar.update()

    def say(self, text: str) -> None:
        """A line for a person."""
        if self._enabled:
            self._bar.write(text)

    def record(self, step: int, values: dict[str, float]) -> None:
        """Writes the values of a step, if there are any."""
        if not (self._enabled and values):
            return
        place = {"stage": self._stage, "step": step}
        goodput = self._goodput.add(place | values)
        values = values if goodput is None else values | {"goodput": goodput}
        self._lines.add(json.dumps(place | values))
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        if not self._remote:
            self._board.flush()
        if "total" in values:
            self._bar.set_postfix({name: f"{values[name]:.4g}" for name in self._shown})

    def flush(self) -> None:
        """Writes what is not written yet, so that a checkpoint is never ahead of the records."""
        if self._enabled:
            self._lines.flush()

    def close(self) -> None:
        """Flushes and closes."""
        if self._enabled:
            self._bar.close()
            self._lines.close()
            self._board.close()
