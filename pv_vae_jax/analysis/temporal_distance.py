"""Latent temporal distance: how far latents go in time.

    LTD(d) = mean over g, i, j of |z(g + d, i, j) - z(g, i, j)|,    d = 1 ... G - 1          (1)
    curve  = LTD(d) / LTD(1);    by the largest in the values too                           (2)
    order  = Spearman's correlation of LTD(d) and d;    rising = share of steps that rise   (3)

z are normalised latents, |.| the L2 norm over channels.  (1) to (3) are of one video; figures are
means over videos, but for the median of adjacent distances, which is over all places of all videos.
Two independent latents of unit variance are sqrt(2 c) apart: the median over sqrt(c) compares
models of different c.  Group 0, one frame alone, counts as the others.
Paper: section 6; it shows the histogram of LTD(1) and normalised curves, and does not say how it
normalises.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from pv_vae_jax.analysis.finding import Figure
from pv_vae_jax.analysis.looks import Look
from pv_vae_jax.evaluation.rows import Row

BINS = 60
SHOWN = 0.995  # of the distances lie within the histogram


def distances(latents: np.ndarray, interval: int) -> np.ndarray:
    """|z(g + d) - z(g)| of ``[G, h, w, c]`` for one d: ``[G-d, h, w]``."""
    return np.linalg.norm(latents[interval:] - latents[:-interval], axis=-1)


def curve(latents: np.ndarray) -> np.ndarray:
    """Equation (1) of ``[G, h, w, c]``: ``[G-1]``."""
    return np.array([distances(latents, d).mean() for d in range(1, len(latents))])


def order(curve: np.ndarray) -> float:
    """Equation (3), Spearman's correlation in [-1, 1]; 0 where nothing changes."""
    if np.ptp(curve) == 0:
        return 0.0
    return float(stats.spearmanr(np.arange(len(curve)), curve).statistic)


def rising(curve: np.ndarray) -> float:
    """Equation (3): the share of steps that rise, in [0, 1]; 0 where there is no step."""
    return float(np.mean(np.diff(curve) > 0)) if len(curve) > 1 else 0.0


def _median(adjacent: np.ndarray) -> float:
    return float(np.median(adjacent))


@dataclasses.dataclass(frozen=True)
class TemporalDistance:
    """The analysis "ltd"."""

    name = "ltd"

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing but latents decides."""
        return {}

    def row(self, look: Look, i: int) -> Row:
        """What is kept of video ``i`` of a batch."""
        latents, video = look.latents[i], look.videos[i]
        found = curve(latents)
        values = {"order": order(found), "rising": rising(found), "channels": latents.shape[-1]}
        adjacent = distances(latents, 1).ravel().astype(np.float32)
        features = {"curve": found, "adjacent": adjacent}
        return Row(video.key, video.source, values=values, features=features)

    def summary(self, rows: Sequence[Row]) -> tuple[dict[str, Figure], dict[str, Any], list[str]]:
        """Figures, values and notes of all videos."""
        sources = [row.source for row in rows]
        curves = np.stack([row.features["curve"] for row in rows])
        adjacent = np.stack([row.features["adjacent"] for row in rows])
        root = math.sqrt(rows[0].values["channels"])

        def of(title, statistic, column, better="", smooth=True):
            return Figure.over_sources(title, statistic, [column], sources, better, smooth=smooth)

        figures = {
            "adjacent_median": of("adjacent LTD, median", _median, adjacent, smooth=False),
            "adjacent_median_scaled": of(
                "over sqrt(c)", _median, adjacent / root, "less", smooth=False
            ),
        }
        notes = []
        if curves.shape[1] == 1:
            notes.append("Two groups have one interval: there is no curve.")
            return figures, _values(curves, adjacent, sources), notes
        if (curves[:, 0] > 0).all():
            ratio = curves[:, -1] / curves[:, 0]
            figures["growth"] = of(f"LTD({curves.shape[1]}) / LTD(1)", np.mean, ratio, "more")
        else:
            notes.append(f"{(curves[:, 0] == 0).sum()} videos have latents that never change.")
        for name, title in (("order", "order"), ("rising", "rising steps")):
            column = np.array([row.values[name] for row in rows])
            figures[name] = of(title, np.mean, column, "more")
        return figures, _values(curves, adjacent, sources), notes


def _values(curves: np.ndarray, adjacent: np.ndarray, sources: Sequence[str]) -> dict[str, Any]:
    """Curves (2) with intervals, and the histogram."""
    points = []
    for d in range(curves.shape[1]):
        columns = {
            "ltd": ([curves[:, d]], np.mean),
            "by_adjacent": ([curves[:, d], curves[:, 0]], _ratio),
            "by_largest": ([curves, np.full(len(curves), d)], _of_largest),
        }
        point = {"interval": d + 1}
        for name, (column, statistic) in columns.items():
            figure = Figure.over_sources(name, statistic, column, sources)
            point[name] = {"value": figure.value, "low": figure.low, "high": figure.high}
        points.append(point)
    edge = float(np.quantile(adjacent, SHOWN)) or 1.0
    counts, edges = np.histogram(adjacent, bins=BINS, range=(0.0, edge))
    density = counts / (adjacent.size * np.diff(edges))
    mean = curves.mean(axis=0)
    return {
        "curve": points,
        "monotone": bool(np.all(np.diff(mean) > 0)),
        "histogram": {"edges": edges.tolist(), "density": density.tolist()},
    }


def _ratio(one: np.ndarray, other: np.ndarray) -> float:
    return float(one.mean() / other.mean()) if other.mean() > 0 else 0.0


def _of_largest(curves: np.ndarray, d: np.ndarray) -> float:
    mean = curves.mean(axis=0)
    return float(mean[d[0]] / mean.max()) if mean.max() > 0 else 0.0
