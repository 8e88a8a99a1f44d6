"""Mean and standard deviation of normalised latents, of parts that are summed.

    z = (latent - mean) / std,    E_c = sum z_c / n,    sd_c = sqrt(sum z_c^2 / n - E_c^2)      (1)

in float64, over all n positions of a channel c; over all channels likewise.
"""

import dataclasses
import math
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Moments:
    """The sums of (1).

    Attributes:
      positions: n.
      total: sum z_c, c numbers.
      squares: sum z_c^2, likewise.
    """

    positions: int
    total: list[float]
    squares: list[float]

    @classmethod
    def none(cls, channels: int) -> "Moments":
        """Of no position."""
        return cls(0, [0.0] * channels, [0.0] * channels)

    @classmethod
    def of(cls, latents: np.ndarray, mean: np.ndarray, std: np.ndarray) -> "Moments":
        """Of raw latents ``[..., c]`` with the statistics ``[c]`` of their model."""
        flat = latents.reshape(-1, latents.shape[-1]).astype(np.float64)
        z = (flat - np.asarray(mean, np.float64)[None]) / np.asarray(std, np.float64)[None]
        return cls(len(z), z.sum(axis=0).tolist(), np.square(z).sum(axis=0).tolist())

    def __add__(self, other: "Moments") -> "Moments":
        sums = (
            [one + two for one, two in zip(*pair, strict=True)]
            for pair in ((self.total, other.total), (self.squares, other.squares))
        )
        return Moments(self.positions + other.positions, *sums)

    def described(self) -> dict[str, Any]:
        """Equation (1): ``mean`` and ``std`` of all, ``channel_mean`` and ``channel_std``."""
        channels = [
            _moments(self.positions, *sums) for sums in zip(self.total, self.squares, strict=True)
        ]
        count = self.positions * len(self.total)
        mean, std = _moments(count, math.fsum(self.total), math.fsum(self.squares))
        by_channel = {
            "channel_mean": [mean for mean, _ in channels],
            "channel_std": [std for _, std in channels],
        }
        return {"mean": mean, "std": std, **by_channel}


def _moments(count: int, total: float, squares: float) -> tuple[float, float]:
    mean = total / count
    return mean, math.sqrt(max(0.0, squares / count - mean**2))
