"""How fast generators get as good as one another: a figure of their samples against their steps.

    s(q)  = the first step at which a run is as good as q, between two measurements linearly  (1)
    less  = 1 - s(q) / S                                                                      (2)

with q the figure that the baseline, the first run, has at its last measurement, and S the step at
which it first has it.  The paper's "52% faster convergence" (its Figure 1) is (2) in FVD, of its
latents against those of Wan2.2.  Runs are compared only if they were sampled alike and all their
measurements are of one protocol.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from pv_vae_jax.core import markdown, storage
from pv_vae_jax.evaluation import curves, protocol, result_files, tables

FIGURES = ("fvd", "kvd")  # less is better


@dataclasses.dataclass(frozen=True)
class Convergence:
    """One run against the baseline.

    Attributes:
      name: of the run.
      steps: at which it was measured.
      values: of the figure there.
      reached: s of equation (1); None if it never is as good.
      less: equation (2), None with it.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    reached: float | None
    less: float | None

    @property
    def at_first(self) -> bool:
        """Whether it was so when it was first measured: ``reached`` is then an upper bound."""
        return self.reached == self.steps[0]


def first_step(steps: Sequence[float], values: Sequence[float], wanted: float) -> float | None:
    """Equation (1): the first step at which ``values`` are at most ``wanted``, None for never."""
    for i, value in enumerate(values):
        if value <= wanted:
            if i == 0:
                return float(steps[0])
            share = (values[i - 1] - wanted) / (values[i - 1] - value)
            return steps[i - 1] + share * (steps[i] - steps[i - 1])
    return None


def compared(workdirs: Sequence[Any], figure: str = "fvd") -> list[Convergence]:
    """Each run against the first.

    Args:
      workdirs: folders of generators' runs that measured their samples (``runtime.protocol``).
      figure: one of ``FIGURES``.

    Raises:
      FileNotFoundError: a folder is no run's.
      ValueError: a run measured nothing, protocols differ, or no such figure.
    """
    if figure not in FIGURES:
        raise ValueError(f"--figure is one of {', '.join(FIGURES)}; got {figure!r}.")
    columns, used = [], []
    histories = [curves.read(workdir) for workdir in workdirs]
    alike = len({history.name for history in histories}) < len(histories)  # RUNS/a/run, RUNS/b/run
    for workdir, history in zip(workdirs, histories, strict=True):
        steps, values = history.values.get(f"samples/{figure}", ([], []))
        if not steps:
            raise ValueError(
                f"{workdir} has no {figure} of its samples: train it with "
                "--config.runtime.protocol=NAME and runtime.evaluate_every."
            )
        columns.append((str(workdir) if alike else history.name, steps, values))
        used += _protocols(workdir)
    for where, other in used:
        if told := protocol.differences(used[0][1], other):
            raise ValueError(
                f"{used[0][0]} and {where} were measured otherwise: {'; '.join(told)}."
            )
    _, steps, values = columns[0]
    last = first_step(steps, values, values[-1])
    found = []
    for name, steps, values in columns:
        reached = first_step(steps, values, columns[0][2][-1])
        less = None if reached is None else 1 - reached / last
        found.append(Convergence(name, tuple(steps), tuple(values), reached, less))
    return found


def _protocols(workdir: Any) -> list[tuple[str, dict[str, Any]]]:
    """What a run's samples were drawn and measured by, each time, with the folder that says so."""
    found = result_files.of_run(workdir)
    if not found:
        folder = storage.path(workdir) / result_files.EVALUATION
        raise ValueError(f"{workdir} has no results of its samples in {folder}.")
    return [
        (folder, dict(result["protocol"]) | {"sampling": result.get("sampling")})
        for folder, result in found
    ]


def text(found: Sequence[Convergence], figure: str) -> str:
    """Markdown: the figure at each step, and equation (2)."""
    base, digits = found[0], tables.COLUMNS[figure][0]
    heads, rows = ["run", "last", "as good as the baseline's last after", "less training"], []
    for run in found:
        bound = ("at most ", "at least ") if run.at_first and run.less else ("", "")
        reached = "never" if run.reached is None else f"{bound[0]}{run.reached:,.0f} steps"
        less = "-" if run.less is None else f"{bound[1]}{100 * run.less:.0f}%"
        rows.append([run.name, f"{run.values[-1]:.{digits}f} at {run.steps[-1]:,}", reached, less])
    title = (
        f"{figure.upper()} of samples against steps; the baseline is {base.name} "
        f"({base.values[-1]:.{digits}f}). The paper: 52% less than on Wan2.2's latents (UCF101, "
        "FVD)."
    )
    return f"{title}\n\n{markdown.table(heads, rows)}"


def draw(out: Any, workdirs: Sequence[Any], figure: str) -> None:
    """Draws the figure against steps into ``out/convergence.png`` and ``.svg``."""
    histories = [curves.read(workdir) for workdir in workdirs]
    panel = curves.Panel(f"{figure.upper()} of samples", (f"samples/{figure}",))
    for ending in ("png", "svg"):
        curves.draw(storage.path(out) / f"convergence.{ending}", histories, [panel])
