"""How far a model sees ahead: the latter half is withheld, each frame has its error.

    error_m  = mean over pixels of (x - y)^2 of withheld frame m, 8 bits, [-1, 1] units     (1)
    relative = mean error of the model / mean error of a rule - 1                           (2)

against repeating the last observed frame, and against letting every pixel go on as it moved
(extrapolation.py).  Figures are means over videos and withheld frames.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from pv_vae_jax.analysis import extrapolation
from pv_vae_jax.analysis.finding import Figure
from pv_vae_jax.analysis.looks import Look
from pv_vae_jax.evaluation import baselines
from pv_vae_jax.evaluation.rows import Row

RULES = {"repeat": "last frame repeated", "flow": "flow extrapolated"}


def errors(withheld: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Equation (1) of uint8 ``[m, H, W, 3]``: ``[m]``."""
    difference = withheld.astype(np.int32) - other.astype(np.int32)
    return np.square(difference).mean(axis=(1, 2, 3)) / 127.5**2


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The analysis "prediction"."""

    name = "prediction"

    @property
    def settings(self) -> dict[str, Any]:
        """What its numbers depend on."""
        return {"withheld": "latter half of the groups", "rules": RULES}

    def row(self, look: Look, i: int) -> Row:
        """What is kept of video ``i`` of a batch; ValueError if nothing can be withheld."""
        clip, video = look.clips[i], look.videos[i]
        seen, withheld = clip[: look.observed], clip[look.observed :]
        features = {
            "model": errors(withheld, look.prediction[i, look.observed :]),
            "repeat": errors(withheld, baselines.repeated(seen[None], len(withheld))[0]),
        }
        if look.observed > 1:
            features["flow"] = errors(withheld, extrapolation.extrapolated(seen, len(withheld)))
        values = {"observed": look.observed}
        return Row(video.key, video.source, values=values, features=features)

    def summary(self, rows: Sequence[Row]) -> tuple[dict[str, Figure], dict[str, Any], list[str]]:
        """Figures, values and notes of all videos."""
        sources = [row.source for row in rows]
        columns = {
            name: np.stack([row.features[name] for row in rows])
            for name in ("model", *RULES)
            if name in rows[0].features
        }
        figures = {
            "prediction": Figure.over_sources(
                "prediction MSE", np.mean, [columns["model"]], sources, "less", 5
            )
        }
        notes = []
        for rule, title in RULES.items():
            if rule not in columns:
                notes.append("One frame alone is observed, so that there is no flow to go on.")
                continue
            means = columns[rule].mean(axis=1)
            figures[rule] = Figure.over_sources(title, np.mean, [means], sources, digits=5)
            if len({source for source, mean in zip(sources, means, strict=True) if mean}) > 1:
                pair = [columns["model"].mean(axis=1), means]
                figures[f"against_{rule}"] = Figure.over_sources(
                    f"relative to {title}", _relative, pair, sources, "less"
                )
            else:
                notes.append(f"The rule '{title}' makes no error, so that nothing is relative.")
        return figures, _horizon(rows, columns, sources), notes


def _horizon(
    rows: Sequence[Row], columns: dict[str, np.ndarray], sources: Sequence[str]
) -> dict[str, Any]:
    observed = int(rows[0].values["observed"])
    horizon = []
    for m in range(columns["model"].shape[1]):
        point: dict[str, Any] = {"frame": observed + m, "ahead": m + 1}
        for name, column in columns.items():
            figure = Figure.over_sources(name, np.mean, [column[:, m]], sources)
            point[name] = {"value": figure.value, "low": figure.low, "high": figure.high}
        horizon.append(point)
    return {"observed": observed, "horizon": horizon}


def _relative(model: np.ndarray, rule: np.ndarray) -> float:
    return float(model.mean() / rule.mean() - 1)
