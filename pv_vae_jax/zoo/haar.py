"""Haar wavelets of frames and of clips, and their inverses.

    y[t, h, w, k C + c] = a sum_{i, j, l} s_k(i, j, l) x[2t + i, 2h + j, 2w + l, c]         (1)
    x[2t + i, 2h + j, 2w + l, c] = a sum_k s_k(i, j, l) y[t, h, w, k C + c]                 (2)

    clips    i, j, l in {0, 1}    a = 0.3536    s_k = (-1)^(p i + q j + r l), k = 4p + 2q + r
    frames   j, l in {0, 1}       a = 1/2       s_k = (-1)^(q j + r l),       k = q + 2r

The filters of clips are the published ones, not 1 / sqrt(8), so that (2) gives 1.00026 x back; and
W is the fastest index of k there, H with frames.  A clip stands on a copy of frame 0, which (2)
drops: 1 + 2n frames to 1 + n and back.  Later chunks of a stream are 2n frames and n.
Source: PKU-YuanGroup/WF-VAE, ``causalvideovae/model/modules/wavelet.py``.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.layers.causal_conv import begins
from pv_vae_jax.layers.convolution import causal_conv3d

_SIGNS = np.array([[1, 1], [1, -1]], np.float32)  # [place, frequency]
CLIPS = np.float32(0.3536) * np.einsum("ip,jq,lr->ijlpqr", *[_SIGNS] * 3).reshape(2, 2, 2, 8)
FRAMES = np.einsum("jq,lr->jlrq", *[_SIGNS] * 2).reshape(1, 2, 2, 4) / 2


def _kernel(filters: np.ndarray, channels: int) -> np.ndarray:
    """Equation (1) as a convolution: ``[places, k]`` to ``[places, C, k C]``."""
    kernel = filters[..., None, :, None] * np.eye(channels, dtype=np.float32)[:, None]
    return kernel.reshape(*filters.shape[:3], channels, -1)


def transform(x: jax.Array, filters: np.ndarray) -> jax.Array:
    """Equation (1) with CLIPS (T even) or FRAMES, as one convolution.

    ``[B, T, H, W, C]`` to ``[B, T/2, H/2, W/2, 8 C]`` or ``[B, T, H/2, W/2, 4 C]``.
    """
    kernel = jnp.asarray(_kernel(filters, x.shape[-1]), x.dtype)
    return causal_conv3d(x, kernel, (filters.shape[0], 2))


def inverse(y: jax.Array, filters: np.ndarray) -> jax.Array:
    """Equation (2): the way back of :func:`transform`."""
    kernel = _kernel(filters, y.shape[-1] // filters.shape[-1])
    back = jnp.asarray(kernel.reshape(-1, kernel.shape[-1]).T, y.dtype)
    x = causal_conv3d(y, back.reshape(1, 1, 1, *back.shape), (1, 1))
    (b, t, h, w, _), (i, j, l, c, _) = x.shape, kernel.shape  # noqa: E741 (the letter of (2))
    x = x.reshape(b, t, h, w, i, j, l, c).transpose(0, 1, 4, 2, 5, 3, 6, 7)
    return x.reshape(b, t * i, h * j, w * l, c)


class Haar3D(nn.Module):
    """The transform of clips."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, 1 + 2n, H, W, C]`` to ``[B, 1 + n, H/2, W/2, 8 C]``."""
        if begins(self):
            x = jnp.concatenate([x[:, :1], x], axis=1)
        return transform(x, CLIPS)


class InverseHaar3D(nn.Module):
    """The inverse of :class:`Haar3D`."""

    @nn.compact
    def __call__(self, y: jax.Array) -> jax.Array:
        """``[B, 1 + n, H/2, W/2, 8 C]`` to ``[B, 1 + 2n, H, W, C]``."""
        x = inverse(y, CLIPS)
        return x[:, 1:] if begins(self) else x
