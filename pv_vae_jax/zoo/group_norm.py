"""GroupNorm of whole clips.

    y = (x - m) / sqrt(v + eps) * scale + bias,
    m, v = mean and variance over T, H, W and the C / groups channels of a group, of each clip  (1)

It mixes all frames of a clip, later ones too, so that a model made of it is not causal.
Reference: Wu and He, arXiv 1803.08494.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.core.precision import compute_dtype


class GroupNorm(nn.Module):
    """Equation (1), reduced in float32.

    Attributes:
      groups: of neighbouring channels; they divide C.
      eps: of equation (1).
      dtype: of the result, "float32" or "bfloat16".
    """

    groups: int = 32
    eps: float = 1e-6
    dtype: str = "float32"

    whole_frame = True  # its statistics are: no tile of a frame has them (models/tiled_vae.py)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to the same shape."""
        channels = x.shape[-1]
        if channels % self.groups:
            raise ValueError(f"{channels} channels are not {self.groups} groups of one width.")
        scale = self.param("scale", nn.initializers.ones, (channels,)).reshape(1, 1, 1, 1, -1)
        bias = self.param("bias", nn.initializers.zeros, (channels,)).reshape(1, 1, 1, 1, -1)
        x = x.astype(jnp.float32)
        mean = self._mean(x)
        # The variance does not change to first order with the mean that it is taken around.
        variance = self._mean(jnp.square(x - jax.lax.stop_gradient(mean)))
        y = (x - mean) * (jax.lax.rsqrt(variance + self.eps) * scale) + bias
        return y.astype(compute_dtype(self.dtype))

    def _mean(self, x: jax.Array) -> jax.Array:
        """Over the clip and the channels of each group: ``[B, 1, 1, 1, C]``."""
        b, channels = x.shape[0], x.shape[-1]
        mean = jnp.mean(x, axis=(1, 2, 3)).reshape(b, self.groups, -1).mean(axis=-1)
        return jnp.repeat(mean, channels // self.groups, axis=-1).reshape(b, 1, 1, 1, channels)
