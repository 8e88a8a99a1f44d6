"""Attention among the positions of one frame, single head.

    y = x + (softmax(q k^T / sqrt(C)) v) W_o,     q, k, v = norm(x) W_{q, k, v}             (1)

Tokens are the h w positions of a frame; frames do not see one another, so (1) is causal.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.convolution import with_least_rows
from pv_vae_jax.layers.ordered_sum import ordered_sum


def _attend(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """``softmax(q k^T / sqrt(C)) v`` of ``[N, tokens, C]``."""
    precision = jax.lax.Precision.HIGHEST if q.dtype == jnp.float32 else None
    scores = jnp.einsum(
        "nqc,nkc->nqk", q, k, precision=precision, preferred_element_type=jnp.float32
    )
    scores = scores * q.shape[-1] ** -0.5
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True)))
    weights = weights / ordered_sum(weights)
    return jnp.einsum("nqk,nkc->nqc", weights.astype(v.dtype), v, precision=precision)


class FrameAttention(nn.Module):
    """Equation (1); the softmax runs in float32.

    ``whole_frames`` names the layers whose results must be of all positions of a frame, also where
    ``x`` has a part of its rows alone (sharding/halo.py).

    Attributes:
      dtype: compute type, "float32" or "bfloat16".
      norm: of each position; a module of a ``dtype``.
    """

    dtype: str = "float32"
    norm: type[nn.Module] = RMSNorm

    whole_frames = ("key", "value")

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, t, h, w, C]`` to the same shape."""
        b, t, h, w, c = x.shape
        tokens = self.norm(self.dtype, name="norm")(x)
        q, k, v = (
            CausalConv3D(c, (1, 1, 1), dtype=self.dtype, name=name)(tokens).reshape(b * t, -1, c)
            for name in ("query", "key", "value")
        )
        y = with_least_rows(_attend, q, k, v, rows=h * w).reshape(x.shape)
        return x + CausalConv3D(c, (1, 1, 1), dtype=self.dtype, name="out")(y)
