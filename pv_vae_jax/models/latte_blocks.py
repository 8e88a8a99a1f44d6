"""A Transformer block with adaptive norms, over space or over time.

    s_1, m_1, g_1, s_2, m_2, g_2 = W_c SiLU(condition)            six vectors a clip         (1)
    x = x + g_1 attention((1 + m_1) norm(x) + s_1)                                          (2)
    x = x + g_2 W_out GELU(W_in ((1 + m_2) norm(x) + s_2))                                  (3)
    attention(y) = W_o softmax(q k^T / sqrt(d)) v,     q, k, v = W_qkv y, in heads of d     (4)

``W_c`` begins at zero, so a fresh block is the identity (adaLN-Zero, arXiv 2212.09748).  A block
over "space" lets the h w tokens of a frame see one another, one over "time" the G tokens of a
place; neither mixes clips.  The outputs of ``W_qkv`` are sorted by head, then by q, k, v: a split
of its columns is a split of the heads.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.multi_head import attend, dense
from pv_vae_jax.models import latte_positions

AXES = ("space", "time")


def modulation(condition: jax.Array, parts: int, dtype: str) -> list[jax.Array]:
    """Equation (1): ``[B, C]`` to so many float32 ``[B, 1, 1, 1, C]``; 0 at first."""
    b, width = condition.shape
    layer = dense(parts * width, dtype, "modulation", nn.initializers.zeros)
    vectors = layer(nn.silu(condition)).astype(jnp.float32)
    return jnp.split(vectors.reshape(b, 1, 1, 1, -1), parts, axis=-1)


def modulated_norm(x: jax.Array, shift: jax.Array, scale: jax.Array) -> jax.Array:
    """``(1 + scale) norm(x) + shift``, float32; the norm of each token has no parameters."""
    norm = nn.LayerNorm(
        epsilon=1e-6, use_bias=False, use_scale=False, use_fast_variance=False, dtype=jnp.float32
    )
    return norm(x) * (1 + scale) + shift


class Attention(nn.Module):
    """Equation (4).

    Attributes:
      over: "space" or "time".
      heads: of equal width.
      rotary: whether queries and keys are turned by their places.
      qk_norm: whether queries and keys are normed, a learned scale for each channel of a head.
      dtype: compute type, "float32" or "bfloat16".
    """

    over: str
    heads: int
    rotary: bool = False
    qk_norm: bool = False
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, G, h, w, C]`` to the same shape."""
        if self.over == "time":
            x = x.transpose(0, 2, 3, 1, 4)  # [B, h, w, G, C]
        sizes = x.shape[2:4] if self.over == "space" else x.shape[3:4]
        head = x.shape[-1] // self.heads
        qkv = dense(3 * x.shape[-1], self.dtype, "qkv")(x)
        qkv = qkv.reshape(-1, math.prod(sizes), self.heads, 3, head)
        q, k, v = (qkv[..., i, :] for i in range(3))
        if self.qk_norm:
            q, k = (RMSNorm(self.dtype, name=f"norm_{n}")(y) for n, y in (("q", q), ("k", k)))
        if self.rotary:
            angles = latte_positions.angles(latte_positions.grid(*sizes), head)
            q, k = (latte_positions.rotary(y, angles) for y in (q, k))
        y = dense(x.shape[-1], self.dtype, "out")(attend(q, k, v).reshape(x.shape))
        return y.transpose(0, 3, 1, 2, 4) if self.over == "time" else y


class Block(nn.Module):
    """Equations (1) to (3); the attributes of :class:`Attention`, and one more.

    Attributes:
      mlp_ratio: the width of the hidden layer of (3) to that of the block.
    """

    over: str
    heads: int
    rotary: bool = False
    qk_norm: bool = False
    dtype: str = "float32"
    mlp_ratio: float = 4

    @nn.compact
    def __call__(self, x: jax.Array, condition: jax.Array) -> jax.Array:
        """Tokens ``[B, G, h, w, C]`` and condition ``[B, C]`` to tokens of the same type."""
        width = x.shape[-1]
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = modulation(condition, 6, self.dtype)
        attention = Attention(
            self.over, self.heads, self.rotary, self.qk_norm, self.dtype, name="attention"
        )
        y = attention(modulated_norm(x, shift_1, scale_1))
        x = (x + gate_1 * y).astype(x.dtype)
        y = dense(int(self.mlp_ratio * width), self.dtype, "mlp_in")(
            modulated_norm(x, shift_2, scale_2)
        )
        y = dense(width, self.dtype, "mlp_out")(nn.gelu(y, approximate=True))
        return (x + gate_2 * y).astype(x.dtype)
