"""Principal components of latents along channels: what the first three show as red, green, blue.

    z_n in R^c,  n over the latents of a video (or of all),    m = mean z
    S = mean (z - m)(z - m)^T = sum_k s_k v_k v_k^T,    s_1 >= s_2 >= ...                    (1)
    y_k = v_k . (z - m),    share_k = s_k / sum s                                           (2)
    colour_k = (y_k - low_k) / (high_k - low_k) in [0, 1],  2nd and 98th percentiles        (3)

The sign of v_k is such that its entry of the largest magnitude is positive.  A basis is of one
video, or shared by all.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

COLOURS = 3
PERCENTILES = (2.0, 98.0)


@dataclasses.dataclass(frozen=True)
class Moments:
    """Sums over latents, which add up: count, sum ``[c]``, outer products ``[c, c]``."""

    count: float
    total: np.ndarray
    outer: np.ndarray

    @classmethod
    def of(cls, latents: np.ndarray) -> "Moments":
        """Of latents ``[..., c]``, in float64."""
        flat = latents.reshape(-1, latents.shape[-1]).astype(np.float64)
        return cls(float(len(flat)), flat.sum(axis=0), flat.T @ flat)

    @classmethod
    def added(cls, parts: Sequence["Moments"]) -> "Moments":
        """Those of all latents of several videos together."""
        return cls(
            sum(part.count for part in parts),
            np.sum([part.total for part in parts], axis=0),
            np.sum([part.outer for part in parts], axis=0),
        )


@dataclasses.dataclass(frozen=True)
class Basis:
    """Equation (1): mean ``[c]``, components ``[c, c]`` (row k is v_k), variances ``[c]``."""

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray

    @classmethod
    def of(cls, moments: Moments) -> "Basis":
        """From sums."""
        mean = moments.total / moments.count
        variances, vectors = np.linalg.eigh(moments.outer / moments.count - np.outer(mean, mean))
        components = vectors.T[::-1]
        largest = np.argmax(np.abs(components), axis=1)
        signs = np.sign(components[np.arange(len(components)), largest])
        return cls(mean, components * signs[:, None], np.maximum(variances[::-1], 0))

    def projected(self, latents: np.ndarray, count: int = COLOURS) -> np.ndarray:
        """Equation (2): ``[..., c]`` to ``[..., count]``; components that there are not are 0."""
        found = (latents - self.mean) @ self.components[:count].T
        missing = count - found.shape[-1]
        return np.pad(found, [*[(0, 0)] * (found.ndim - 1), (0, max(0, missing))])

    def shares(self, count: int = COLOURS) -> np.ndarray:
        """Equation (2): the variance that each explains ``[count]``, 0 where nothing varies."""
        total = self.variances.sum()
        shares = self.variances[:count] / total if total > 0 else np.zeros(count)
        return np.pad(shares, (0, max(0, count - len(shares))))


def scale(projected: np.ndarray) -> np.ndarray:
    """Low and high of equation (3), ``[2, k]`` of ``[..., k]``."""
    flat = projected.reshape(-1, projected.shape[-1])
    return np.percentile(flat, PERCENTILES, axis=0)


def coloured(projected: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Equation (3): ``[..., 3]`` to uint8; what does not vary is grey."""
    low, high = limits
    wide = high > low
    unit = np.where(wide, (projected - low) / np.where(wide, high - low, 1.0), 0.5)
    return np.rint(255 * np.clip(unit, 0, 1)).astype(np.uint8)
