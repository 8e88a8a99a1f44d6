"""From the last tokens of an encoder to the moments of the posterior.

    "norm"      (mean, logvar) = W norm(x) + b                                              (1)
    "linear"    mean = W_m x + b_m,   logvar = W_v norm(x) + b_v                            (2)

In (2) a straight path leads through the model to the mean; the log-variance is of normed features
always, so that it is bounded (models/cnn.py has the same two heads).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.multi_head import dense

HEADS = ("norm", "linear")


class Moments(nn.Module):
    """Equation (1) or (2), in float32.

    Attributes:
      channels: latent channels c.
      head: "norm" or "linear".
    """

    channels: int
    head: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Tokens ``[B, G, h, w, C]`` to moments ``[B, G, h, w, 2c]``, float32."""
        normed = RMSNorm("float32", name="norm")(x)
        if self.head == "norm":
            return dense(2 * self.channels, "float32", "out")(normed)
        mean = dense(self.channels, "float32", "mean")(x)
        return jnp.concatenate([mean, dense(self.channels, "float32", "logvar")(normed)], axis=-1)
