"""Per-position norm and the residual block.

    norm(x)  = x / max(||x||_2, 1e-12) * sqrt(C) * scale        over channels only          (1)
    block(x) = shortcut(x) + conv(SiLU(norm(conv(SiLU(norm(x))))))                          (2)

(1) mixes neither time nor space, so a layer made of it stays causal.  Features that are all zero,
as zeros that are padded stay behind layers without bias, are constants to the backward pass: there
its slope would be 1e12 sqrt(C), a layer after the other.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.ordered_sum import ordered_sum

SMALLEST = 1e-24  # the square of the norm of features that are not zero
CONVOLUTION = "convolution"  # the name of its results for policies of rematerialisation


def rms_normalised(x: jax.Array) -> jax.Array:
    """``[..., C]`` over its root mean square, float32; features that are zero are constants."""
    x = x.astype(jnp.float32)
    square = ordered_sum(x * x)
    x = jnp.where(square > SMALLEST, x, jax.lax.stop_gradient(x))
    return x * jax.lax.rsqrt(jnp.maximum(square, SMALLEST)) * x.shape[-1] ** 0.5


class RMSNorm(nn.Module):
    """Equation (1), reduced in float32."""

    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[..., C]`` to the same shape."""
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        scale = scale.reshape((1,) * (x.ndim - 1) + (-1,))
        return (rms_normalised(x) * scale).astype(compute_dtype(self.dtype))


class ResidualBlock(nn.Module):
    """Equation (2); the shortcut is a 1x1x1 convolution where the width changes.

    Attributes:
      features: channels of the result.
      time_padding: "replicate" or "zeros".
      dtype: compute type, "float32" or "bfloat16".
      causal: no frame depends on a later one.
      halves: whether norm, SiLU and convolution are computed again, each time they are needed in
        the backward pass, from the input of the norm.
    """

    features: int
    time_padding: str = "replicate"
    dtype: str = "float32"
    causal: bool = True
    halves: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, features]``."""
        half = nn.remat(_half, static_argnums=2) if self.halves else _half
        y = half(self, half(self, x, 0), 1)
        if x.shape[-1] != self.features:
            x = CausalConv3D(self.features, (1, 1, 1), dtype=self.dtype, name="shortcut")(x)
        return x + y


def _half(block: ResidualBlock, x: jax.Array, i: int) -> jax.Array:
    x = nn.silu(RMSNorm(block.dtype, name=f"norm_{i}")(x))
    y = CausalConv3D(
        block.features,
        time_padding=block.time_padding,
        dtype=block.dtype,
        causal=block.causal,
        name=f"conv_{i}",
    )(x)
    return checkpoint_name(y, CONVOLUTION)
