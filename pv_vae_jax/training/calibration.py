"""Latent statistics: by which mean and standard deviation latents are normalised.

    mean_c = E[mu_c],     std_c = sqrt(E[mu_c^2] - E[mu_c]^2)                           (1)

over all positions of the posterior means ``mu`` of whole clips, nothing withheld.  Calibrated at
the end of every stage that trains the encoder; they travel with the model from then on.
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from pv_vae_jax.core import pixels

SMALLEST_STD = 1e-4  # a channel that never moves is not blown up


def latent_statistics(
    module: nn.Module, params, videos: Iterable[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Equation (1).

    Args:
      module: a video VAE.
      params: its parameters.
      videos: uint8 clips ``[B, T, H, W, 3]``.

    Returns:
      (mean, std), float32 ``[c]``; the means of each batch are float32, their sum over the batches
      is float64.

    Raises:
      ValueError: there was no clip.
    """

    @jax.jit
    def moments(params, video):
        posterior = module.apply({"params": params}, pixels.to_float(video), method="posterior")
        mean = posterior.mean.reshape(-1, posterior.mean.shape[-1])
        return jnp.mean(mean, axis=0), jnp.mean(jnp.square(mean), axis=0)

    params = jax.device_put(params)  # once
    count, first, second = 0, 0.0, 0.0
    for video in videos:
        latents = video.size  # proportional to the number of positions
        mean, square = moments(params, video)
        first = first + latents * np.asarray(mean, np.float64)
        second = second + latents * np.asarray(square, np.float64)
        count += latents
    if not count:
        raise ValueError("latent statistics need at least one batch of clips; got none.")
    mean = first / count
    std = np.sqrt(np.maximum(second / count - mean**2, SMALLEST_STD**2))
    return mean.astype(np.float32), std.astype(np.float32)
