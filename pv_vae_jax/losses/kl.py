"""The divergence of the posterior from the standard normal prior.

    kl[b, g] = mean_{h w c} (mean^2 + exp(logvar) - 1 - logvar) / 2                     (1)

A mean, not a sum, over the elements of a latent step: its weight does not change with resolution.
Where single cells of a latent step are withheld, it is a mean over c for each cell.
"""

import jax
import jax.numpy as jnp

from pv_vae_jax.interface import Posterior


def divergence(posterior: Posterior, cells: bool = False) -> jax.Array:
    """Equation (1), nats per latent element, ``[B, G, 1, 1]``; with ``cells`` ``[B, G, h, w]``."""
    mean, logvar = posterior.mean, posterior.logvar
    axes = (4,) if cells else (2, 3, 4)
    nats = 0.5 * jnp.mean(jnp.square(mean) + jnp.exp(logvar) - 1.0 - logvar, axis=axes)
    return nats if cells else nats[:, :, None, None]
