"""A clip as one token for each patch of each group, and back.

    token of group 0    b + W_0 x_0,                  x_0 a patch of frame 0                (1)
    token of group g    b + sum_{j=1..p} W_j x_j,     x_j one of the group's frame j        (2)
    pixels              x_j = b_j + V_j token         of group 0: x_0; of others: x_1 .. x_p  (3)

A patch is s x s pixels of a frame (channel order: layers/resample.py).  Frame 0 is alone in its
group and has matrices of its own.  All W are one parameter, and all V, "the last layer", whatever a
clip's length.  In a stream only the first chunk holds frame 0: that is the one for which the cache
is empty.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from pv_vae_jax.core.precision import compute_dtype, with_bias
from pv_vae_jax.layers.causal_conv import begins
from pv_vae_jax.layers.resample import shuffle, unshuffle


def _initial(key: jax.Array, shape: tuple[int, ...], fan_in: tuple[int, int]) -> jax.Array:
    """``[1 + p, inputs, outputs]``: outputs of variance 1 of inputs of variance 1.

    ``fan_in``: how many numbers the matrix of frame 0 and those of a group sum over.
    """
    scale = jnp.asarray([fan_in[0]] + [fan_in[1]] * (shape[0] - 1), jnp.float32) ** -0.5
    return jax.random.normal(key, shape) * scale.reshape(-1, 1, 1)


def _product(x: jax.Array, w: jax.Array) -> jax.Array:
    """``x w`` over the last axis of ``x``, in its type; float32 means float32 everywhere."""
    precision = lax.Precision.HIGHEST if x.dtype == jnp.float32 else None
    return jnp.dot(x, w.astype(x.dtype), precision=precision)


class Embedding(nn.Module):
    """Equations (1) and (2).

    Attributes:
      features: channels of a token.
      temporal: p, frames of a group.
      patch: s.
      dtype: compute type, "float32" or "bfloat16".
    """

    features: int
    temporal: int
    patch: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` to ``[B, G, H / s, W / s, features]``."""
        x = unshuffle(video.astype(compute_dtype(self.dtype)), self.patch)
        b, frames, h, w, c = x.shape
        p, fan_in = self.temporal, (c, c * self.temporal)
        kernel = self.param("kernel", _initial, (1 + p, c, self.features), fan_in)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        tokens = []
        if begins(self):
            tokens, x, frames = [_product(x[:, :1], kernel[0])], x[:, 1:], frames - 1
        if frames:
            x = x.reshape(b, frames // p, p, h, w, c).transpose(0, 1, 3, 4, 2, 5)
            x = x.reshape(b, frames // p, h, w, p * c)
            tokens.append(_product(x, kernel[1:].reshape(p * c, self.features)))
        x = jnp.concatenate(tokens, axis=1)
        return with_bias(x, bias)


class Pixels(nn.Module):
    """Equation (3); the attributes are those of :class:`Embedding`."""

    temporal: int
    patch: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, G, h, w, C]`` to ``[B, T, h s, w s, 3]``, of the compute type."""
        x = x.astype(compute_dtype(self.dtype))
        b, groups, h, w, c = x.shape
        p, numbers = self.temporal, 3 * self.patch**2
        kernel = self.param("kernel", _initial, (1 + p, c, numbers), (c, c))
        bias = self.param("bias", nn.initializers.zeros, (1 + p, numbers))
        frames = []
        if begins(self):
            frames, x, groups = (
                [with_bias(_product(x[:, :1], kernel[0]), bias[0])],
                x[:, 1:],
                groups - 1,
            )
        if groups:
            matrix = kernel[1:].transpose(1, 0, 2).reshape(c, p * numbers)
            x = with_bias(_product(x, matrix), bias[1:])
            x = x.reshape(b, groups, h, w, p, numbers).transpose(0, 1, 4, 2, 3, 5)
            frames.append(x.reshape(b, groups * p, h, w, numbers))
        return shuffle(jnp.concatenate(frames, axis=1), self.patch)
