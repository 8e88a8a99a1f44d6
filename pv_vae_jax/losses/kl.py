"""The divergence of the posterior from the standard normal prior.

    kl[b, g] = mean_{h w c} (mean^2 + exp(logvar) - 1 - logvar) / 2                     (1)

A mean, not a sum, over the elements of a latent step: its weight does not change with resolution.
"""

import jax
import jax.numpy as jnp

from pv_vae_jax.interface import Posterior


def divergence(posterior: Posterior) -> jax.Array:
    """Equation (1), nats per latent element, ``[B, G]``."""
    mean, logvar = posterior.mean, posterior.logvar
    return 0.5 * jnp.mean(jnp.square(mean) + jnp.exp(logvar) - 1.0 - logvar, axis=(2, 3, 4))
