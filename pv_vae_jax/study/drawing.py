"""A study as a picture, SVG and PNG: means with their intervals, one panel a measure.

rows      each row's seeds as dots on a line, the control at the top, dashed at its mean
curves    lines through rows against a number, such as the updates of a training

matplotlib is the optional part [plots].
"""

import math
import pathlib
from collections.abc import Sequence
from typing import Any

from pv_vae_jax.core import figures
from pv_vae_jax.study import results, table
from pv_vae_jax.study.plan import Study

COLUMNS = 3


def draw(study: Study, found: table.Found, out: pathlib.Path) -> list[str]:
    """Writes ``out/STUDY.svg`` and ``.png``; returns their names.

    Args:
      study: whose curves are shown, or if it has none all measures, the primary ones first.
      found: results by variant and seed.
      out: folder.
    """
    figure = _curves(study, found) if study.curves else _rows(study, found)
    names = [f"{study.name}.{ending}" for ending in ("svg", "png")]
    for name in names:
        figures.write(figure, out / name, dpi=110)
    return names


def _panels(count: int, height: float, **shared: bool) -> tuple[Any, list[Any]]:
    """A figure and ``count`` of its axes, left to right, then down; the rest is blank."""
    columns = min(COLUMNS, count)
    rows = math.ceil(count / columns)
    figure, axes = figures.panels(rows, columns, (3.6 * columns, height * rows), **shared)
    for axis in axes.flat[count:]:
        axis.axis("off")
    for axis in axes.flat:
        axis.tick_params(labelsize=7)
    return figure, list(axes.flat[:count])


def _rows(study: Study, found: table.Found) -> Any:
    shown = [n for n in study.measures if any(table.seeds_of(found, v, n) for v in found)]
    shown.sort(key=lambda name: name not in study.primary)
    variants = [variant for variant in study.variants if variant in found]
    figure, axes = _panels(len(shown), 0.8 + 0.28 * len(variants), sharey=True)
    for axis, name in zip(axes, shown, strict=True):
        _row_by_row(axis, study, found, variants, name)
    axes[0].set_yticks(range(len(variants)), [study.titles.get(v, v) for v in variants])
    axes[0].invert_yaxis()
    return figure


def _row_by_row(
    axis: Any, study: Study, found: table.Found, variants: list[str], name: str
) -> None:
    for row, variant in enumerate(variants):
        mean = table.contrast(found, {variant: 1.0}, name)
        if mean is None:
            continue
        dots = results.values(found, variant, name, mean.seeds)
        colour = "C1" if variant == study.control else "C0"
        axis.plot(dots, [row] * len(dots), "o", color=colour, alpha=0.45, markersize=4, mew=0)
        axis.errorbar(mean.mean, row, xerr=mean.half, fmt="|", color=colour, ms=9, capsize=2)
        if variant == study.control:
            axis.axvline(mean.mean, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    axis.set_title(study.measures[name].told, fontsize=8)


def _curves(study: Study, found: table.Found) -> Any:
    panels = {
        title: {name: _through(found, points) for name, points in lines.items()}
        for title, lines in study.curves.panels.items()
    }
    panels = {title: lines for title, lines in panels.items() if any(lines.values())}
    figure, axes = _panels(len(panels), 2.3)
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for colour, (name, line) in zip(("C1", "C0", "C2", "C3"), lines.items(), strict=False):
            for at, _, dots in line:
                axis.plot([at] * len(dots), dots, "o", color=colour, alpha=0.45, ms=4, mew=0)
            numbers, means = [at for at, *_ in line], [mean for _, mean, _ in line]
            axis.plot(numbers, means, color=colour, label=name)
        axis.set_title(title, fontsize=8)
        axis.set_xlabel(study.curves.across, fontsize=7)
    axes[0].legend(fontsize=7)
    return figure


def _through(
    found: table.Found, points: Sequence[tuple[float, str, str]]
) -> list[tuple[float, float, list[float]]]:
    """Of the points that there are results of: the number, the mean and each seed.

    All points of a line are of the seeds that all of them have, if there are any.
    """
    seeds = {point: table.seeds_of(found, *point[1:]) for point in points}
    known = {point: each for point, each in seeds.items() if each}
    shared = sorted(set.intersection(*map(set, known.values()))) if known else []
    line = []
    for (at, variant, name), own in known.items():
        dots = results.values(found, variant, name, shared or own)
        line.append((at, sum(dots) / len(dots), dots))
    return line
