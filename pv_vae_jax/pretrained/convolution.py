"""A 2-D convolution that stays fast on CPU: with more weights than pixels, and inside of loops.

    y  = [x[h + i - p, w + j - p] for i, j] @ W.reshape(kh kw C, O)            small maps    (1)
    dx = conv(dy, W mirrored in i, j, with C and O exchanged)                  other maps    (2)

Where the map is no larger than the kernel, XLA exchanges the two and falls into a slow loop: VGG16
on 32x32 frames is eight times as fast with (1).  Where there are fewer places than channels O, the
patches of (1) are smaller than the kernel that (2) would copy.  Inside of ``lax.map`` it leaves C
and O of the gradient's kernel exchanged in name only, again a slow loop: (2) exchanges them in
memory, and the gradient of VGG16 is three times as fast.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

NAMES = ("NHWC", "HWIO", "NHWC")


def _patches(x: jax.Array, kernel: jax.Array, padding: Sequence[tuple[int, int]]) -> jax.Array:
    """Equation (1)."""
    kh, kw, _, o = kernel.shape
    x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    rows, columns = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    patches = [x[:, i : i + rows, j : j + columns] for i in range(kh) for j in range(kw)]
    return jnp.concatenate(patches, axis=-1) @ kernel.reshape(-1, o)


def _library(x, kernel, strides, padding, precision):
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=NAMES, precision=precision
    )


_large = functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))(_library)


def _forward(x, kernel, strides, padding, precision):
    return _library(x, kernel, strides, padding, precision), (x, kernel)


def _backward(strides, padding, precision, saved, dy):
    x, kernel = saved
    mirrored = lax.optimization_barrier(jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
    pads = []
    for size, out, k, stride, (before, _) in zip(
        x.shape[1:3], dy.shape[1:3], kernel.shape[:2], strides, padding, strict=True
    ):
        first = k - 1 - before
        pads.append((first, size + k - 1 - ((out - 1) * stride + 1) - first))
    dx = lax.conv_general_dilated(
        dy, mirrored, (1, 1), pads, strides, dimension_numbers=NAMES, precision=precision
    )
    (dw,) = jax.vjp(lambda w: _library(x, w, strides, padding, precision), kernel)[1](dy)
    return dx, dw


_large.defvjp(_forward, _backward)


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    precision: Any = None,
    **_: Any,
) -> jax.Array:
    """For ``nn.Conv(conv_general_dilated=...)``: ``[N, H, W, C]`` and ``[kh, kw, C, O]``."""
    kh, kw, _, channels = kernel.shape
    n, h, w, _ = x.shape
    small = h <= kh or w <= kw or n * h * w <= channels
    if tuple(strides) == (1, 1) and small:
        return _patches(x, kernel, padding)
    return _large(x, kernel, tuple(strides), tuple(map(tuple, padding)), precision)
