"""What a run writes while it goes: metrics.jsonl, TensorBoard, a progress bar.

``workdir/metrics.jsonl`` has one record a line: stage, step, and every value under its name.
``workdir/tensorboard/STAGE`` has the same.  Only the first process writes.
"""

import json
import pathlib

import jax
import numpy as np
import tensorboardX
from tqdm import tqdm

from pv_vae_jax.losses import pixel_terms


def merged(reports: list[pixel_terms.Report]) -> dict[str, float]:
    """Means over several reports of (sum, count); values without any count are left out."""
    host = jax.device_get(reports)
    values = {}
    for name in host[0]:
        total, count = np.sum([np.asarray(report[name], np.float64) for report in host], axis=0)
        if count:
            values[name] = float(total / count)
    return values


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
    """

    def __init__(
        self, workdir: pathlib.Path, stage: str, earlier: tuple[str, ...], start: int, steps: int,
        enabled: bool,
    ):  # fmt: skip
        self._stage = stage
        self._enabled = enabled
        if not enabled:
            return
        path = workdir / "metrics.jsonl"
        kept = []
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    record = json.loads(line)
                except ValueError:  # the line that a killed run was writing
                    continue
                here = record["stage"] == stage and record["step"] <= start
                if here or record["stage"] in earlier:
                    kept.append(line + "\n")
        path.write_text("".join(kept))
        self._lines = path.open("a", buffering=1)
        self._board = tensorboardX.SummaryWriter(
            str(workdir / "tensorboard" / stage), purge_step=start + 1
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
        self._lines.write(json.dumps({"stage": self._stage, "step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()
        if "total" in values:
            self._bar.set_postfix({name: f"{values[name]:.4g}" for name in ("total", "mse")})

    def close(self) -> None:
        """Flushes and closes."""
        if self._enabled:
            self._bar.close()
            self._lines.close()
            self._board.close()
