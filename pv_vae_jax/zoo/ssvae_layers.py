"""Down and up by 2 with shortcuts that have no parameters (DC-AE's), causal in time.

    down(x) = conv of stride 2 (x) + average(x)                                             (1)
    up(x)   = conv(nearest x2 (x)) + duplicate(x)                                           (2)

    average     [t, h, w, C] to channels (C, ft, fh, fw), C slowest; means of neighbours    (3)
    duplicate   channels repeated to (O, ft, fh, fw), O slowest; those back to [t, h, w]    (4)

Where time changes too, frame 0 is alone: a zero frame stands before it in (3), although the
convolution of (1) stands on copies of it; in (2) and (4) the last of its copies is kept.  In a
stream only the first chunk holds frame 0: that is the one for which the cache is empty.

Source: DC-AE, arXiv 2410.10733, as in SSVAE (zai-org/SSVAE, dc_3dvae.py).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.causal_conv import CausalConv3D, is_streaming
from pv_vae_jax.layers.ordered_sum import ordered_sum


def average(x: jax.Array, features: int, time: int, first: bool) -> jax.Array:
    """Equation (3): ``[B, T, H, W, C]`` to ``[B, T', H/2, W/2, features]``.

    Args:
      x: 1 + 2n frames with frame 0, 2n without (any number where ``time`` is 1).
      features: a divisor of ``4 time C``.
      time: 1 or 2.
      first: ``x`` begins with frame 0.
    """
    x = jnp.pad(x, [(0, 0), (time - 1 if first else 0, 0), (0, 0), (0, 0), (0, 0)])
    b, t, h, w, c = x.shape
    t, h, w = t // time, h // 2, w // 2
    places = x.reshape(b, t, time, h, 2, w, 2, c).transpose(0, 1, 3, 5, 7, 2, 4, 6)
    places = places.reshape(b, t, h, w, features, -1)
    mean = ordered_sum(places.astype(jnp.float32)) / places.shape[-1]
    return mean[..., 0].astype(x.dtype)


def duplicate(x: jax.Array, features: int, time: int, first: bool) -> jax.Array:
    """Equation (4): ``[B, T, H, W, C]`` to ``[B, T', 2 H, 2 W, features]``.

    Args:
      x: any number of frames; T' is ``time T``, or 1 + (T - 1) ``time`` with frame 0.
      features: C is a divisor of ``4 time features``.
      time: 1 or 2.
      first: ``x`` begins with frame 0.
    """
    b, t, h, w, c = x.shape
    places = jnp.repeat(x, features * time * 4 // c, axis=-1)
    places = places.reshape(b, t, h, w, features, time, 2, 2).transpose(0, 1, 5, 2, 6, 3, 7, 4)
    y = places.reshape(b, t * time, h * 2, w * 2, features)
    return y[:, time - 1 :] if first else y


def nearest(x: jax.Array, time: int, first: bool) -> jax.Array:
    """Each frame ``time`` times (frame 0 once), each row and column twice."""
    x = jnp.repeat(x, time, axis=1)
    x = x[:, time - 1 :] if first else x
    return jnp.repeat(jnp.repeat(x, 2, axis=2), 2, axis=3)


def _is_first(module: nn.Module) -> bool:
    """Whether this call begins with frame 0: no chunk of a stream was seen before it."""
    first = not module.has_variable("cache", "started")
    if is_streaming(module):
        module.put_variable("cache", "started", jnp.ones((), jnp.bool_))
    return first


class Down(nn.Module):
    """Equation (1); ``time`` is 1 (frame by frame) or 2."""

    features: int
    time: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) / time, H / 2, W / 2, features]``."""
        kernel, strides = (2 * self.time - 1, 3, 3), (self.time, 2)
        y = CausalConv3D(self.features, kernel, strides, dtype=self.dtype, name="conv")(x)
        return y + average(x, self.features, self.time, _is_first(self))


class Up(nn.Module):
    """Equation (2); the convolution spans time also where ``time`` is 1."""

    features: int
    time: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) time, 2 H, 2 W, features]``."""
        first = _is_first(self)
        layer = CausalConv3D(self.features, dtype=self.dtype, spread=True, name="conv")
        return layer(nearest(x, self.time, first)) + duplicate(x, self.features, self.time, first)
