"""What a generator must beat: latents drawn without learning anything of how they hang together.

    noise      z_i ~ N(0, I)                                                                (1)
    gaussian   z_i = m + sum_n e_in (z_n - m) / sqrt(N - 1),     e_in ~ N(0, 1)             (2)

(2) is the Gaussian with the mean and the whole covariance of N latents; sample i depends on the
seed and i alone.
"""

from collections.abc import Sequence

import numpy as np

from pv_vae_jax.core import rng

BLOCK = 64  # latents added at once


def noise(shape: tuple[int, ...], seed: int, indices: Sequence[int]) -> np.ndarray:
    """Equation (1): float32 ``[n, G, h, w, c]`` for latents of ``shape``."""
    each = [rng.host_generator(seed, "baseline", int(i)).standard_normal(shape) for i in indices]
    return np.stack(each).astype(np.float32)


def gaussian(latents: Sequence[np.ndarray], seed: int, indices: Sequence[int]) -> np.ndarray:
    """Equation (2), in memory of the samples and of ``BLOCK`` latents.

    Args:
      latents: normalised, N of ``[G, h, w, c]``, N at least 2; each is read twice.
      seed: of the samples.
      indices: which samples.

    Returns:
      float32 ``[n, G, h, w, c]``.

    Raises:
      ValueError: fewer than 2 latents.
    """
    count = len(latents)
    if count < 2:
        raise ValueError(f"a Gaussian is fitted to 2 latents or more, got {count}.")
    mean = sum(np.asarray(latents[n], np.float64) for n in range(count)) / count
    weights = [rng.host_generator(seed, "baseline", int(i)).standard_normal(count) for i in indices]
    shares = np.stack(weights) / np.sqrt(count - 1)
    made = np.tile(mean.reshape(1, -1), (len(indices), 1))
    for start in range(0, count, BLOCK):
        numbers = range(start, min(start + BLOCK, count))
        block = np.stack([latents[n] for n in numbers]) - mean
        made += shares[:, start : start + BLOCK] @ block.reshape(len(numbers), -1)
    return made.reshape(-1, *mean.shape).astype(np.float32)
