"""A study as a picture: each row's seeds as dots, their mean with its interval, SVG and PNG.

One panel a measure, one line a row, the control at the top with a dashed line at its mean.
matplotlib is the optional part [plots].
"""

import math
import pathlib
from typing import Any

from pv_vae_jax.core import figures
from pv_vae_jax.study import results, table
from pv_vae_jax.study.plan import Study

COLUMNS = 3


def draw(study: Study, found: table.Found, out: pathlib.Path) -> list[str]:
    """Writes ``out/STUDY.svg`` and ``.png``; returns their names.

    Args:
      study: whose measures are shown, the primary ones first.
      found: results by variant and seed.
      out: folder.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [n for n in study.measures if any(table.seeds_of(found, v, n) for v in found)]
    shown.sort(key=lambda name: name not in study.primary)
    variants = [variant for variant in study.variants if variant in found]
    columns = min(COLUMNS, len(shown))
    figure, axes = pyplot.subplots(
        math.ceil(len(shown) / columns),
        columns,
        figsize=(3.6 * columns, (0.8 + 0.28 * len(variants)) * math.ceil(len(shown) / columns)),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axis, name in zip(axes.flat, shown, strict=False):
        _panel(axis, study, found, variants, name)
    for axis in list(axes.flat)[len(shown) :]:
        axis.axis("off")
    axes[0, 0].set_yticks(range(len(variants)), [study.titles.get(v, v) for v in variants])
    axes[0, 0].invert_yaxis()
    names = [f"{study.name}.{ending}" for ending in ("svg", "png")]
    for name in names:
        figures.write(figure, out / name, dpi=110)
    pyplot.close(figure)
    return names


def _panel(axis: Any, study: Study, found: table.Found, variants: list[str], name: str) -> None:
    measure = study.measures[name]
    for row, variant in enumerate(variants):
        mean = table.figure(found, variant, name)
        if mean is None:
            continue
        dots = results.values(found, variant, name, mean.seeds)
        colour = "C1" if variant == study.control else "C0"
        axis.plot(dots, [row] * len(dots), "o", color=colour, alpha=0.45, markersize=4, mew=0)
        half = None if mean.low is None else mean.high - mean.mean
        axis.errorbar(mean.mean, row, xerr=half, fmt="|", color=colour, markersize=9, capsize=2)
        if variant == study.control:
            axis.axvline(mean.mean, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    arrow = {"less": " (less is better)", "more": " (more is better)", "": ""}[measure.better]
    axis.set_title(measure.title + arrow, fontsize=8)
    axis.tick_params(labelsize=7)
