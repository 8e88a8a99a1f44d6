"""Figures of findings over models, PNG and SVG: what motion, time and horizon do to latents.

    pca.*          correlation of activations with flow, with intervals
    ltd.*          histogram of adjacent distances, and the curve over intervals
    prediction.*   error of each withheld frame, with the rules beside

matplotlib is the optional part [plots].
"""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.analysis.activation import NAMES
from pv_vae_jax.analysis.finding import Finding
from pv_vae_jax.analysis.prediction import RULES
from pv_vae_jax.core import figures, storage

ENDINGS = ("png", "svg")
GREYS = ("0.35", "0.65")


def possible() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(out: Any, findings: Sequence[Finding]) -> list[str]:
    """Draws what there is of findings of several models into ``out``.

    Returns:
      The names of the files.
    """
    written = []
    for name, (panels, of) in _FIGURES.items():
        chosen = [each for each in findings if each.name == name]
        if chosen:
            written += saved(out, name, panels, lambda axes, of=of, it=chosen: of(axes, it))
    return written


def saved(out: Any, name: str, panels: int, fill: Callable[[Any], None]) -> list[str]:
    """Writes ``out/NAME.png`` and ``.svg``: ``panels`` axes beside each other, filled by ``fill``.

    Raises:
      ModuleNotFoundError: matplotlib is not installed.
    """
    figure, (axes,) = figures.panels(1, panels, (4.6 * panels, 3.2))
    fill(list(axes))
    for axis in axes:
        axis.tick_params(labelsize=8)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7, framealpha=0.6)
    names = [f"{name}.{ending}" for ending in ENDINGS]
    for file in names:
        figures.write(figure, storage.path(out) / file, dpi=120)
    return names


def errors(values: np.ndarray, points: Sequence[Any]) -> np.ndarray | None:
    """Lengths of error bars ``[2, n]`` of points with ``low`` and ``high``; None without."""
    if not points or any(point["low"] is None for point in points):
        return None
    ends = np.array([[point["low"], point["high"]] for point in points]).T
    return np.maximum(np.stack([values - ends[0], ends[1] - values]), 0)


def _pca(axes: list[Any], findings: Sequence[Finding]) -> None:
    (axis,) = axes
    for number, each in enumerate(findings):
        chosen = [
            (place, each.figures[name]) for place, name in enumerate(NAMES) if name in each.figures
        ]
        places = np.array([place for place, _ in chosen]) + 0.12 * number
        values = np.array([figure.value for _, figure in chosen])
        points = [{"low": figure.low, "high": figure.high} for _, figure in chosen]
        bars = errors(values, points)
        axis.errorbar(places, values, bars, fmt="o", capsize=2, label=each.model["label"])
    axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axis.set_xticks(range(len(NAMES)), list(NAMES.values()))
    axis.set_title("correlation with the magnitude of flow", fontsize=9)


def _ltd(axes: list[Any], findings: Sequence[Finding]) -> None:
    histogram, curve = axes
    for number, each in enumerate(findings):
        colour, label = f"C{number}", each.model["label"]
        values = each.values["histogram"]
        histogram.stairs(values["density"], values["edges"], color=colour, label=label)
        median = each.figures["adjacent_median"].value
        histogram.axvline(median, color=colour, linewidth=0.8, linestyle="--")
        points = [point["by_adjacent"] for point in each.values["curve"]]
        heights = np.array([point["value"] for point in points])
        intervals = [point["interval"] for point in each.values["curve"]]
        curve.errorbar(
            intervals, heights, errors(heights, points), fmt="o-", capsize=2, label=label
        )
    histogram.set_title("distance of adjacent latents (dashed: median)", fontsize=9)
    curve.set_xticks(intervals)
    curve.set_title("LTD over that of adjacent latents", fontsize=9)
    curve.set_xlabel("interval, latent steps", fontsize=8)


def _prediction(axes: list[Any], findings: Sequence[Finding]) -> None:
    (axis,) = axes
    lines = [("model", each.model["label"], "o-", f"C{n}", each) for n, each in enumerate(findings)]
    rules = zip(RULES.items(), GREYS, strict=True)
    lines += [(rule, title, ".--", grey, findings[0]) for (rule, title), grey in rules]
    for name, label, style, colour, each in lines:
        horizon = [point for point in each.values["horizon"] if name in point]
        if horizon:
            heights = np.array([point[name]["value"] for point in horizon])
            bars = errors(heights, [point[name] for point in horizon])
            ahead = [point["ahead"] for point in horizon]
            axis.errorbar(ahead, heights, bars, fmt=style, color=colour, capsize=2, label=label)
    axis.set_title("error of withheld frames, MSE in [-1, 1] units", fontsize=9)
    axis.set_xlabel("frames after the last observed one", fontsize=8)


_FIGURES = {"pca": (1, _pca), "ltd": (2, _ltd), "prediction": (1, _prediction)}
