"""The grid of a study as text: a row for each variant, a column for each seed, and the time left.

time left = sum over missing steps of the mean time of their kind / jobs                 (1)
"""

import pathlib
from collections.abc import Collection

import numpy as np

from pv_vae_jax.study import running
from pv_vae_jax.study.plan import Cell, Study
from pv_vae_jax.study.step import Step


def text(
    study: Study, root: pathlib.Path, kept: Collection[str], lost: Collection[Step] = ()
) -> str:
    """The grid; a cell is "done", "failed vae", or "2/7" for two of seven steps.

    Args:
      study: whose cells.
      root: folder of the steps.
      kept: names of the cells that have their result.
      lost: steps that failed.
    """
    seeds = sorted({cell.seed for cell in study.cells})
    cells = {
        (cell.variant, cell.seed): "done" if cell.name in kept else _state(cell, root, lost)
        for cell in study.cells
    }
    rows = [["", *(f"seed {seed}" for seed in seeds)]]
    for variant in study.variants:
        rows.append([variant, *(cells.get((variant, seed), "") for seed in seeds)])
    widths = [max(len(row[n]) for row in rows) for n in range(len(seeds) + 1)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _state(cell: Cell, root: pathlib.Path, lost: Collection[Step]) -> str:
    steps = cell.ordered()
    finished = sum(running.done(root, step) is not None for step in steps)
    for step in steps:
        if step in lost:
            return f"failed {step.kind}"
    return f"{finished}/{len(steps)}"


def seconds_left(study: Study | None, root: pathlib.Path, jobs: int) -> float | None:
    """Equation (1); a kind that no step of is done counts as the mean of all; None before any.

    Args:
      study: the cells without a result; None if there are none.
      root: folder of the steps.
      jobs: how many steps run at once.
    """
    if study is None:
        return 0.0
    told = {step: running.done(root, step) for step in running.steps_of(study)}
    spent: dict[str, list[float]] = {}
    for each in told.values():
        if each is not None:
            spent.setdefault(each["kind"], []).append(each["seconds"])
    if not spent:
        return None
    usual = float(np.mean([np.mean(kind) for kind in spent.values()]))
    missing = [step.kind for step, each in told.items() if each is None]
    return sum(float(np.mean(spent.get(kind, usual))) for kind in missing) / jobs


def clock(seconds: float | None) -> str:
    """``1:23`` for an hour and 23 minutes; ``?`` for None."""
    if seconds is None:
        return "?"
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"
