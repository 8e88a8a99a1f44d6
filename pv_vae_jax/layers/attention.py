"""Attention among the positions of one frame, single head.

    y = x + (softmax(q k^T / sqrt(C)) v) W_o,     q, k, v = norm(x) W_{q, k, v}             (1)

Tokens are the h w positions of a frame; frames do not see one another, so (1) is causal.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.layers.blocks import RMSNorm


class FrameAttention(nn.Module):
    """Equation (1); the softmax runs in float32."""

    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, t, h, w, C]`` to the same shape."""
        dtype = compute_dtype(self.dtype)
        b, t, h, w, c = x.shape
        tokens = RMSNorm(self.dtype, name="norm")(x).reshape(b * t, h * w, c)
        q, k, v = (
            nn.Dense(c, dtype=dtype, name=name)(tokens) for name in ("query", "key", "value")
        )
        scores = jnp.einsum("bnd,bmd->bnm", q, k, preferred_element_type=jnp.float32) * c**-0.5
        y = jnp.einsum("bnm,bmd->bnd", jax.nn.softmax(scores).astype(dtype), v)
        return x + nn.Dense(c, dtype=dtype, name="out")(y).reshape(x.shape)
