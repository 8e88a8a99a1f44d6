"""The layers of HunyuanVideo's VAE.

    block      shortcut(x) + conv(SiLU(norm(conv(SiLU(norm(x))))))                          (1)
    conv       3x3x3; copies of frame 0 stand before the clip, of the edge pixels around it (2)
    up         nearest, frame 0 alone in time, then conv                                    (3)
    attention  x + out(y),  y[t] = softmax(q[t] k[<= t]^T / sqrt(C)) v[<= t]                (4)

In (4) t is a frame: each of its positions sees all of this frame and of earlier ones.  Convolutions
and attention are causal, but a norm (group_norm.py) is over the whole clip.
Reference: AutoencoderKLHunyuanVideo of diffusers.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.core.precision import compute_dtype, with_bias
from pv_vae_jax.layers.causal_conv import CausalConv3D, initial_kernel
from pv_vae_jax.layers.convolution import causal_conv3d
from pv_vae_jax.zoo.group_norm import GroupNorm

POINT = (1, 1, 1)


def _edge_padded(x: jax.Array, frames: int, behind: int = 1) -> jax.Array:
    """Equation (2): ``frames`` in front, 1 row and column before and ``behind`` ones behind."""
    return jnp.pad(x, ((0, 0), (frames, 0), (1, behind), (1, behind), (0, 0)), mode="edge")


def _kernel(key: jax.Array, shape: tuple[int, ...], *form: Any) -> jax.Array:
    """A fresh kernel, mirrored: for a stride of 2 we pad before, ``initial_kernel`` behind."""
    return jnp.flip(initial_kernel(key, shape, *form), (1, 2))


def _bias(module: nn.Module, features: int) -> jax.Array:
    return module.param("bias", nn.initializers.zeros, (features,))


class EdgeConv3D(nn.Module):
    """Equation (2); ``strides`` are (time, space).

    The columns of padding are cut from the result of a convolution that pads with zeros once more:
    a little arithmetic in vain, but several times faster than XLA's unpadded convolution on CPU.
    """

    features: int
    strides: tuple[int, int] = (1, 1)
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) / st, H / ss, W / ss, features]``."""
        dtype, whole = compute_dtype(self.dtype), self.strides[1] == 1
        shape = (3, 3, 3, x.shape[-1], self.features)
        w = self.param("kernel", _kernel, shape, self.strides, False)
        # With a stride of 2 (H and W are even) nothing behind the last row and column is read.
        x = _edge_padded(x.astype(dtype), 2, 1 if whole else 0)
        y = causal_conv3d(x, w.astype(dtype), self.strides, True)
        return with_bias(y[:, :, :, 1:-1] if whole else y, _bias(self, self.features))


def folded(w: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Three taps over values that come in equal pairs, as two taps over the values themselves.

    The taps of an output at the first place of a pair, and those of one at the second.
    """
    before, here, behind = jnp.split(w, 3, axis)
    return (
        jnp.concatenate([before, here + behind], axis),
        jnp.concatenate([before + here, behind], axis),
    )


def paired(x: jax.Array, w: jax.Array) -> jax.Array:
    """``[B, T + kt - 1, H + 1, W + 1, C]``, taps ``[kt, 2, 2, C, O]``, to ``[B, T, H, W, O]``."""
    return causal_conv3d(x, w, (1, 1), True)[:, :, :, :-1]


class Up(nn.Module):
    """Equation (3), without ever repeating a pixel.

    Each of the 2 x 2 places of a pixel (and of the 2 frames of a step) sees no more than 2 x 2 x 2
    (3 where time stays) different values: it is a convolution of the small input, whose taps are
    sums of the 27.

    Attributes:
      time: frames of a step, 1 or 2.
      dtype: compute type, "float32" or "bfloat16".
    """

    time: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) time, 2 H, 2 W, C]``."""
        dtype = compute_dtype(self.dtype)
        b, t, h, w, c = x.shape
        kernel = self.param("kernel", _kernel, (3, 3, 3, c, c), (1, 1), True)
        x = _edge_padded(x.astype(dtype), 3 - self.time)
        places = [
            self._place(x[:, :, i : i + h + 1, j : j + w + 1], taps.astype(dtype))
            for i, rows in enumerate(folded(kernel, axis=1))
            for j, taps in enumerate(folded(rows, axis=2))
        ]
        y = jnp.stack(places, axis=4).reshape(b, t, h, w, 2, 2, self.time, c)
        y = y.transpose(0, 1, 6, 2, 4, 3, 5, 7).reshape(b, t * self.time, 2 * h, 2 * w, c)
        return with_bias(y[:, self.time - 1 :], _bias(self, c))

    def _place(self, x: jax.Array, taps: jax.Array) -> jax.Array:
        """``[B, T + history, H + 1, W + 1, C]`` to ``[B, T, H, W, time C]``."""
        if self.time == 2:  # frame 0 is the second of its pair
            taps = jnp.concatenate(folded(taps, axis=0)[::-1], axis=-1)
        return paired(x, taps)


def attend(q: jax.Array, k: jax.Array, v: jax.Array, frames: jax.Array) -> jax.Array:
    """Equation (4) of ``[B, N, C]``, the softmax in float32; ``frames`` int ``[N]``.

    C queries at a time, forward and backward: their scores take the memory of the queries
    themselves, so that memory grows with N and not with its square.
    """
    precision = jax.lax.Precision.HIGHEST if q.dtype == jnp.float32 else None

    @jax.checkpoint
    def one(query: jax.Array, frame: jax.Array) -> jax.Array:
        scores = jnp.einsum(
            "bc,bkc->bk", query, k, precision=precision, preferred_element_type=jnp.float32
        )
        seen = (frames <= frame).reshape(1, -1)
        weights = jax.nn.softmax(jnp.where(seen, scores * q.shape[-1] ** -0.5, -jnp.inf))
        return jnp.einsum("bk,bkc->bc", weights.astype(v.dtype), v, precision=precision)

    by_query = jnp.moveaxis(q, 1, 0), frames
    return jnp.moveaxis(jax.lax.map(lambda it: one(*it), by_query, batch_size=q.shape[-1]), 0, 1)


class ClipAttention(nn.Module):
    """Equation (4), one head."""

    groups: int
    dtype: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, t, h, w, C]`` to the same shape."""
        b, t, h, w, c = x.shape
        tokens = GroupNorm(self.groups, dtype=self.dtype, name="norm")(x)
        q, k, v = (
            CausalConv3D(c, POINT, dtype=self.dtype, name=name)(tokens).reshape(b, -1, c)
            for name in ("query", "key", "value")
        )
        y = attend(q, k, v, jnp.arange(t * h * w) // (h * w)).reshape(x.shape)
        return x + CausalConv3D(c, POINT, dtype=self.dtype, name="out")(y)


class Block(nn.Module):
    """Equation (1); the shortcut is a 1x1x1 convolution where the width changes."""

    features: int
    groups: int
    dtype: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, features]``."""
        y = x
        for i in range(2):
            y = nn.silu(GroupNorm(self.groups, dtype=self.dtype, name=f"norm_{i}")(y))
            y = EdgeConv3D(self.features, dtype=self.dtype, name=f"conv_{i}")(y)
        if x.shape[-1] != self.features:
            x = CausalConv3D(self.features, POINT, dtype=self.dtype, name="shortcut")(x)
        return x + y


class Blocks(nn.Module):
    """Blocks in a row; with ``attention``, between every two of them.

    ``remat`` "block" keeps only the input of each for the backward pass, "none" everything.
    """

    features: int
    count: int
    groups: int
    dtype: str
    remat: str
    attention: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, features]``."""
        block = nn.remat(Block) if self.remat == "block" else Block
        for i in range(self.count):
            if i and self.attention:
                x = ClipAttention(self.groups, self.dtype, name="attention")(x)
            x = block(self.features, self.groups, self.dtype, name=f"block_{i}")(x)
        return x
