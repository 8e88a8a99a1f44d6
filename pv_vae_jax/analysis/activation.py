"""Do activations of latents follow motion?  The paper's "activations follow motion" as a number.

    energy(g, i, j) = |z(g, i, j) - mean z|^2,  the mean over the latents of the video, per channel
    change(g, i, j) = |z(g, i, j) - z(g - 1, i, j)|
    r  = Pearson's correlation of either with the magnitude of flow (flow.py, equation 1)   (1)
    rho = Spearman's, of their ranks

over all (g >= 1, i, j) of a video, then the mean over videos.  The paper shows pictures alone.
``energy`` is what its pictures show as colour, a place of unusual latents; ``change`` is what moves
in latent space.  Where latents or flow of a video do not vary, it has no correlation.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from pv_vae_jax.analysis import flow, principal_components
from pv_vae_jax.analysis.finding import Figure
from pv_vae_jax.analysis.looks import Look
from pv_vae_jax.analysis.principal_components import Basis, Moments
from pv_vae_jax.evaluation.rows import Row

NAMES = {
    "energy_pearson": "energy, r",
    "energy_spearman": "energy, rho",
    "change_pearson": "change, r",
    "change_spearman": "change, rho",
}


def energy(latents: np.ndarray) -> np.ndarray:
    """Of a video's latents ``[G, h, w, c]``: ``[G, h, w]``."""
    return np.square(latents - latents.mean(axis=(0, 1, 2))).sum(axis=-1)


def change(latents: np.ndarray) -> np.ndarray:
    """Of a video's latents ``[G, h, w, c]``: ``[G-1, h, w]``."""
    return np.linalg.norm(np.diff(latents, axis=0), axis=-1)


def correlations(latents: np.ndarray, magnitude: np.ndarray) -> dict[str, float]:
    """Equation (1) of latents ``[G, h, w, c]`` and magnitudes of flow ``[G-1, h, w]``.

    Returns:
      Values by ``NAMES``; those that are not defined are left out.
    """
    found = {}
    for name, values in (("energy", energy(latents)[1:]), ("change", change(latents))):
        pair = values.ravel(), magnitude.ravel()
        if min(np.ptp(each) for each in pair) > 0:
            found[f"{name}_pearson"] = float(stats.pearsonr(*pair).statistic)
            found[f"{name}_spearman"] = float(stats.spearmanr(*pair).statistic)
    return found


@dataclasses.dataclass(frozen=True)
class PCA:
    """The analysis "pca": explained variance, and equation (1).

    Attributes:
      flow: settings of its source.
    """

    flow: Mapping[str, Any]
    name = "pca"

    @property
    def settings(self) -> dict[str, Any]:
        """What its numbers depend on."""
        return dict(self.flow)

    def row(self, look: Look, i: int) -> Row:
        """What is kept of video ``i`` of a batch."""
        latents, spec, moved = look.latents[i], look.vae.spec, look.flow[i]
        moments = Moments.of(latents)
        shares = Basis.of(moments).shares()
        values = {f"share_{k + 1}": float(share) for k, share in enumerate(shares)}
        if moved is not None:
            magnitude = flow.on_latent_grid(moved, spec.temporal, spec.spatial)
            values |= {"flow": float(magnitude.mean())} | correlations(latents, magnitude)
        sums = {"count": np.array(moments.count), "total": moments.total, "outer": moments.outer}
        video = look.videos[i]
        return Row(video.key, video.source, values=values, features=sums)

    def summary(self, rows: Sequence[Row]) -> tuple[dict[str, Figure], dict[str, Any], list[str]]:
        """Figures, values and notes of all videos."""
        sources = [row.source for row in rows]
        first = np.array([sum(row.values[f"share_{k}"] for k in (1, 2, 3)) for row in rows])
        figures = {
            "explained": Figure.over_sources("variance of 3 components", np.mean, [first], sources)
        }
        for name, title in NAMES.items():
            known = [row for row in rows if name in row.values]
            if known:
                column = np.array([row.values[name] for row in known])
                figures[name] = Figure.over_sources(
                    title, np.mean, [column], [row.source for row in known], "more"
                )
        basis = shared(rows)
        values = {
            "shared_variance": basis.shares(len(basis.variances)).tolist(),
            "videos": {row.key: dict(row.values) for row in rows},
            "without_flow": [row.key for row in rows if "flow" not in row.values],
            "percentiles": list(principal_components.PERCENTILES),
        }
        return figures, values, self._notes(rows)

    def _notes(self, rows: Sequence[Row]) -> list[str]:
        without = sum("flow" not in row.values for row in rows)
        still = sum("flow" in row.values and "energy_pearson" not in row.values for row in rows)
        notes = []
        if without:
            notes.append(f"{without} of {len(rows)} videos have no flow ({self.flow['flow']}).")
        if still:
            notes.append(f"{still} of {len(rows)} videos have no correlation: nothing varies.")
        return notes


def shared(rows: Sequence[Row]) -> Basis:
    """The basis of all latents of all videos together."""
    parts = [Moments(*(row.features[name] for name in ("count", "total", "outer"))) for row in rows]
    return Basis.of(Moments.added(parts))
