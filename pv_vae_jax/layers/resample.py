"""Up and down by 2, and pixels to channels.

down    a strided causal convolution: 1 + 2n frames to 1 + n, H x W to H/2 x W/2
up      nearest x2, frame 0 alone in time (1 + n frames to 1 + 2n), then a causal convolution
patch   [H, W, C] to [H/p, W/p, p p C], channel index (row * p + column) * C + channel     (1)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.causal_conv import CausalConv3D, begins


def unshuffle(x: jax.Array, patch: int) -> jax.Array:
    """Equation (1): ``[B, T, H, W, C]`` to ``[B, T, H/p, W/p, p p C]``."""
    b, t, h, w, c = x.shape
    x = x.reshape(b, t, h // patch, patch, w // patch, patch, c)
    return x.transpose(0, 1, 2, 4, 3, 5, 6).reshape(b, t, h // patch, w // patch, -1)


def shuffle(x: jax.Array, patch: int) -> jax.Array:
    """The inverse of :func:`unshuffle`."""
    b, t, h, w, c = x.shape
    x = x.reshape(b, t, h, w, patch, patch, c // patch**2)
    return x.transpose(0, 1, 2, 4, 3, 5, 6).reshape(b, t, h * patch, w * patch, -1)


def nearest(x: jax.Array, time: int, space: int, first: bool) -> jax.Array:
    """Each frame of ``[B, T, H, W, C]`` ``time`` times, each row and column ``space`` times.

    ``first``: ``x`` begins with frame 0, which stays alone in time.
    """
    if time > 1:
        x = jnp.repeat(x, time, axis=1)
        x = x[:, time - 1 :] if first else x
    return jnp.repeat(jnp.repeat(x, space, axis=2), space, axis=3) if space > 1 else x


def interleave(y: jax.Array) -> jax.Array:
    """``[B, T, H, W, 2 C]`` to ``[B, 2 T, H, W, C]``: the first half of the channels first."""
    b, t, h, w, c = y.shape
    return jnp.stack(jnp.split(y, 2, axis=-1), axis=2).reshape(b, 2 * t, h, w, c // 2)


class Downsample(nn.Module):
    """A strided causal convolution that keeps the width; ``strides`` is (time, space)."""

    strides: tuple[int, int]
    time_padding: str = "replicate"
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) / st, H / ss, W / ss, C]``."""
        return CausalConv3D(
            x.shape[-1],
            strides=self.strides,
            time_padding=self.time_padding,
            dtype=self.dtype,
            name="conv",
        )(x)


class Upsample(nn.Module):
    """Nearest neighbour, then a causal convolution that keeps the width.

    ``causal``: see causal_conv.py.  In a stream only the first chunk holds frame 0: that is the one
    for which the cache is empty.
    """

    strides: tuple[int, int]
    time_padding: str = "replicate"
    dtype: str = "float32"
    causal: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) st, H ss, W ss, C]``."""
        time, space = self.strides
        x = nearest(x, time, space, first=time > 1 and begins(self))
        return CausalConv3D(
            x.shape[-1],
            time_padding=self.time_padding,
            dtype=self.dtype,
            spread=True,
            causal=self.causal,
            name="conv",
        )(x)
