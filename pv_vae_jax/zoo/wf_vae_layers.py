"""Layers of WF-VAE: blocks with layer norm, and linear interpolation of time and space.

    LN(x)    = (x - mean) / sqrt(var + 1e-6) * scale + bias       over channels only        (1)
    block(x) = shortcut(x) + conv(SiLU(LN(conv(SiLU(LN(x))))))                              (2)
    up       interpolation (3), then a causal convolution

    y_0 = x_0,    y_{2i-1} = (x_{i-1} + 3 x_i) / 4,    y_{2i} = (3 x_i + x_{i+1}) / 4       (3)

(3) is of frames 1 to n, with copies of x_1 and x_n at their ends; of rows and columns likewise, all
of them.  So y_{2n} waits for x_{n+1}: in a stream it leaves with the next chunk, and a chunk of no
frames ends the stream.
Source: PKU-YuanGroup/WF-VAE, ``causalvideovae/model/modules``.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.layers.attention import FrameAttention
from pv_vae_jax.layers.causal_conv import CausalConv3D, begins, is_streaming
from pv_vae_jax.layers.ordered_sum import ordered_sum

CLIP, FRAME, POINT = (3, 3, 3), (1, 3, 3), (1, 1, 1)  # kernels
EPSILON = 1e-6


class LayerNorm(nn.Module):
    """Over the channels of each position, reduced in float32."""

    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to the same shape."""
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        x = x.astype(jnp.float32)
        x = x - ordered_sum(x) / x.shape[-1]
        variance = ordered_sum(x * x) / x.shape[-1]
        y = x * lax.rsqrt(variance + EPSILON) * scale.reshape(1, 1, 1, 1, -1)
        return (y + bias.reshape(1, 1, 1, 1, -1)).astype(compute_dtype(self.dtype))


class Block(nn.Module):
    """The block; its shortcut is a 1x1x1 convolution where the width changes."""

    features: int
    dtype: str
    kernel: tuple[int, int, int] = CLIP

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, features]``."""
        y = x
        for i in (0, 1):
            y = nn.silu(LayerNorm(self.dtype, name=f"norm_{i}")(y))
            y = CausalConv3D(self.features, self.kernel, dtype=self.dtype, name=f"conv_{i}")(y)
        if x.shape[-1] != self.features:
            x = CausalConv3D(self.features, POINT, dtype=self.dtype, name="shortcut")(x)
        return x + y


def of(dtype: str, remat: str):
    """Convolution and block, of a compute type."""
    block = nn.remat(Block) if remat == "block" else Block
    return functools.partial(CausalConv3D, dtype=dtype), functools.partial(block, dtype=dtype)


class Middle(nn.Module):
    """Block, attention, block."""

    widths: tuple[int, int]
    dtype: str
    remat: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, t, h, w, C]`` to ``[B, t, h, w, widths[1]]``."""
        _, block = of(self.dtype, self.remat)
        x = block(self.widths[0], name="block_0")(x)
        x = FrameAttention(self.dtype, LayerNorm, name="attention")(x)
        return block(self.widths[1], name="block_1")(x)


def doubled(x: jax.Array, axis: int) -> jax.Array:
    """Twice as many places on an axis, linear between their centres, copies at the ends."""
    part = functools.partial(lax.slice_in_dim, x, axis=axis)
    count = x.shape[axis]
    before = jnp.concatenate([part(0, min(1, count)), part(0, max(0, count - 1))], axis)
    after = jnp.concatenate([part(min(1, count), count), part(max(0, count - 1), count)], axis)
    y = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis + 1)
    return y.reshape(*x.shape[:axis], 2 * count, *x.shape[axis + 1 :])


class Delay(nn.Module):
    """In a stream, holds the last frame back until the next chunk; frame 0 never waits."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to as many frames, or 1 fewer or more; T = 0 ends the stream."""
        waits = x.shape[1] > int(begins(self)) and is_streaming(self)
        if self.has_variable("cache", "frame"):
            x = jnp.concatenate([self.get_variable("cache", "frame"), x], axis=1)
        if waits:
            self.put_variable("cache", "frame", x[:, -1:])
            x = x[:, :-1]
        return x


class Interpolation(nn.Module):
    """Equation (3) in time, rows and columns; in a stream, its last frame waits."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, 1 + n, h, w, C]`` to ``[B, 1 + 2n, 2h, 2w, C]``; chunks: see :class:`Delay`."""
        alone = int(begins(self))
        y, x = x[:, :alone], x[:, alone:]
        waits = x.shape[1] > 0 and is_streaming(self)
        known = self.has_variable("cache", "frame")
        if known:  # its first half has left already
            x = jnp.concatenate([self.get_variable("cache", "frame"), x], axis=1)
        if waits:
            self.put_variable("cache", "frame", x[:, -1:])
        pairs = doubled(x, 1)
        pairs = pairs[:, int(known) : pairs.shape[1] - int(waits)]
        return doubled(doubled(jnp.concatenate([y, pairs], axis=1), 2), 3)
