"""The 3-D convolution, causal in time, in several exact forms.

    y[t, h, w] = sum_{i, j, l} x[st t + i, ss h + j - p, ss w + l - p] W[i, j, l]           (1)
    dW[i, j, l] = sum_{t, h, w} x[t + i, h + j - p, w + l - p]^T dy[t, h, w]                (2)
    dx[t + i] += sum_{j, l} dy[t, h - j + p, w - l + p] W[i, j, l]^T       for each i       (3)

``x`` already holds the frames before the clip; space is padded with zeros, for a stride of 2 on the
far side only; or ``x`` holds those rows too (``bordered``), because they are not zeros but lie on
another device (sharding/halo.py).  The forms of (1) agree but for rounding:

    conv3d     one 3-D convolution                                   accelerators
    taps       the sum over i of 2-D convolutions of all frames      CPU
    stack      one 2-D convolution, the taps i stacked on channels   CPU, small and narrow
    spread     a matrix product for all (i, j, l), shifted sums      CPU, from many channels to few
    winograd   16 matrix products where the sum has 36 (winograd.py) CPU, wide, float32, 3 x 3

The form depends on the platform (known when the program is lowered), the kernel, H and W, never on
B or T, so that a prefix or a chunk of a clip gets the bits of the whole; small frames by
``winograd``, and thus wide models, get them but for rounding.  On CPU a library may still choose
its order of summation by the number of rows (B T H W) when there are few of them; zero frames fill
up to ``LEAST_ROWS``, above which the order no longer changes (tried on jaxlib 0.10.2 and 0.12.0.1;
tests/layers/test_convolution.py).  (2) is kh matrix products on CPU: the kt taps of ``x`` against
the kw shifts of ``dy``, wide even where the layer is narrow.
"""

import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from pv_vae_jax.layers import winograd

LEAST_ROWS = 128
# Measured with launch/bench/convolution.py: values in a frame; channels in and out.
SMALL_FRAME, WIDE = 2**15, 128
FEW = 16  # channels, in or out
# In these frames (rows times columns) winograd's bits do not depend on B and T, so narrower layers
# may use it as well.
LARGE_FRAME, WIDE_IN_LARGE = 4 * winograd.LEAST_TILES, 96

Strides = tuple[int, int]
Pads = Sequence[tuple[int, int]]


def padding(kernel: int, stride: int) -> tuple[int, int]:
    """How many rows (or columns) an output reads before and behind those it stands for."""
    total = kernel - stride
    return total // 2, total - total // 2


def with_least_rows(function: Callable, *frames: jax.Array, rows: int) -> jax.Array:
    """``function`` of arrays ``[N, ...]``, each item ``rows`` rows, at least LEAST_ROWS in all.

    Zero items are added behind and their results cut off.
    """
    count = frames[0].shape[0]
    missing = -(-LEAST_ROWS // rows) - count
    if missing <= 0:
        return function(*frames)
    padded = (jnp.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) for x in frames)
    return function(*padded)[:count]


def _pads(kernel: Sequence[int], stride: int, bordered: bool) -> Pads:
    """The zeros around rows and columns, for a kernel ``(kh, kw)``."""
    rows, columns = (padding(k, stride) for k in kernel)
    return [(0, 0) if bordered else rows, columns]


def _conv2d(x: jax.Array, w: jax.Array, stride: int, pads: Pads) -> jax.Array:
    """Each frame alone: ``[N, H, W, C]`` to ``[N, H', W', O]``."""
    if any(size <= k for size, k in zip(x.shape[1:3], w.shape[:2], strict=True)):
        # XLA exchanges image and kernel here and falls into a slow loop, unless the pad is real.
        x = lax.optimization_barrier(jnp.pad(x, [(0, 0), *pads, (0, 0)]))
        pads = [(0, 0), (0, 0)]
    return lax.conv_general_dilated(
        x, w, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _all_frames(x: jax.Array, w: jax.Array, stride: int, pads: Pads) -> jax.Array:
    """:func:`_conv2d` of ``[B, T, H, W, C]``."""
    b, t, *frame = x.shape
    conv = functools.partial(_conv2d, w=w, stride=stride, pads=pads)
    height, width = (
        (size + sum(pad) - k) // stride + 1
        for size, pad, k in zip(frame[:2], pads, w.shape[:2], strict=True)
    )
    y = with_least_rows(conv, x.reshape(b * t, *frame), rows=max(1, height * width))
    return y.reshape(b, t, *y.shape[1:])


def _taps(x: jax.Array, count: int, stride: int) -> list[jax.Array]:
    """The frames that each temporal tap reads: ``count`` arrays ``[B, T', H, W, C]``."""
    outputs = (x.shape[1] - count) // stride + 1
    return [x[:, i : i + stride * (outputs - 1) + 1 : stride] for i in range(count)]


def conv3d(x: jax.Array, w: jax.Array, strides: Strides, bordered: bool = False) -> jax.Array:
    """Equation (1) as one 3-D convolution; float32 means float32, also where TF32 is a default."""
    pads = [(0, 0), *_pads(w.shape[1:3], strides[1], bordered)]
    return lax.conv_general_dilated(
        x,
        w,
        (strides[0], strides[1], strides[1]),
        pads,
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        precision=lax.Precision.HIGHEST if x.dtype == jnp.float32 else None,
    )


def taps(x: jax.Array, w: jax.Array, strides: Strides, bordered: bool = False) -> jax.Array:
    """Equation (1) as a sum over the temporal taps."""
    frames, pads = _taps(x, w.shape[0], strides[0]), _pads(w.shape[1:3], strides[1], bordered)
    return sum(_all_frames(f, w[i], strides[1], pads) for i, f in enumerate(frames))


def stack(x: jax.Array, w: jax.Array, strides: Strides, bordered: bool = False) -> jax.Array:
    """Equation (1) with the temporal taps stacked on the channels."""
    kt, kh, kw, c, o = w.shape
    frames = jnp.concatenate(_taps(x, kt, strides[0]), axis=-1)
    w = w.transpose(1, 2, 0, 3, 4).reshape(kh, kw, kt * c, o)
    return _all_frames(frames, w, strides[1], _pads((kh, kw), strides[1], bordered))


def spread(x: jax.Array, w: jax.Array, strides: Strides, bordered: bool = False) -> jax.Array:
    """Equation (1) for strides of 1: of each frame ``x W[i, j, l]`` at once, then shifted sums."""
    kt, kh, kw, c, o = w.shape
    b, t, height, width = x.shape[:4]
    pads = [*_pads((kh, kw), 1, bordered), (0, 0)]
    height, width = height + sum(pads[0]) - kh + 1, width + sum(pads[1]) - kw + 1
    matrix = w.transpose(3, 1, 2, 0, 4).reshape(c, -1)

    def one(frame: jax.Array) -> jax.Array:  # [H, W, C] to [H', W', kt O]
        products = jnp.pad(frame @ matrix, pads)
        windows = np.ndindex(kh, kw)
        parts = [products[j : j + height, m : m + width] for j, m in windows]
        return sum(part[..., n * kt * o : (n + 1) * kt * o] for n, part in enumerate(parts))

    frames = lax.map(one, x.reshape(b * t, *x.shape[2:])).reshape(b, t, height, width, kt, o)
    return sum(f[..., i, :] for i, f in enumerate(_taps(frames, kt, 1)))


FORMS = {
    "conv3d": conv3d,
    "taps": taps,
    "stack": stack,
    "spread": spread,
    "winograd": winograd.winograd,
}


def form_on_cpu(frame: Sequence[int], kernel: Sequence[int], strides: Strides, dtype) -> str:
    """The fastest form on CPU, never by B or T.

    Args:
      frame: (H, W) of the input, without the rows of a border.
      kernel: (kt, kh, kw, C, O).
      strides: (time, space).
      dtype: of the input.
    """
    area, channels = math.prod(frame), kernel[3:]
    wide = WIDE if area < LARGE_FRAME else WIDE_IN_LARGE
    if min(channels) >= wide and dtype == jnp.float32:
        if winograd.fits(kernel[:3], strides, *frame):
            return "winograd"
    if strides == (1, 1) and channels[1] <= FEW < WIDE_IN_LARGE <= channels[0]:
        return "spread" if math.prod(kernel[:3]) > 1 else "taps"
    small = channels[0] <= WIDE and area * channels[0] <= SMALL_FRAME
    return "stack" if small or channels[0] <= FEW else "taps"


def _on_cpu(x: jax.Array, w: jax.Array, strides: Strides, bordered: bool) -> jax.Array:
    height = x.shape[2] - (w.shape[1] - strides[1] if bordered else 0)
    form = form_on_cpu((height, x.shape[3]), w.shape, strides, x.dtype)
    return FORMS[form](x, w, strides, bordered)


def weight_gradient(
    x: jax.Array, dy: jax.Array, kernel: tuple[int, int, int], bordered: bool = False
) -> jax.Array:
    """Equation (2) for stride 1: float32 ``[kt, kh, kw, C, O]``."""
    (kt, kh, kw), c, o = kernel, x.shape[-1], dy.shape[-1]
    height, pad_w = dy.shape[2], padding(kw, 1)
    left = jnp.concatenate(_taps(x, kt, 1), axis=-1)
    if not bordered:
        left = jnp.pad(left, [(0, 0), (0, 0), padding(kh, 1), (0, 0), (0, 0)])
    padded = jnp.pad(dy, [(0, 0), (0, 0), (0, 0), pad_w[::-1], (0, 0)])
    shifts = [padded[:, :, :, i : i + dy.shape[3]] for i in reversed(range(kw))]
    right = jnp.concatenate(shifts, axis=-1).reshape(-1, kw * o)
    rows = [left[:, :, j : j + height].reshape(-1, kt * c) for j in range(kh)]
    products = [jnp.dot(r.T, right, preferred_element_type=jnp.float32) for r in rows]
    return jnp.stack(products).reshape(kh, kt, c, kw, o).transpose(1, 0, 3, 2, 4)


def input_gradient(w: jax.Array, dy: jax.Array, bordered: bool = False) -> jax.Array:
    """Equation (3): ``[B, T', H, W, O]`` to ``[B, T' + kt - 1, H, W, C]``, or H + kh - 1 rows."""
    kt, kh, kw, c, o = w.shape
    pads = [pad[::-1] for pad in _pads((kh, kw), 1, False)]
    if bordered:
        pads[0] = (kh - 1, kh - 1)
    mirrored = jnp.flip(w, (1, 2)).transpose(1, 2, 4, 0, 3)  # [kh, kw, O, kt, C]
    form = form_on_cpu(dy.shape[2:4], (kt, kh, kw, o, c), (1, 1), dy.dtype)
    if form == "winograd":
        parts = winograd.input_gradient(w, dy, bordered)
    elif form == "stack":
        wide = _all_frames(dy, mirrored.reshape(kh, kw, o, kt * c), 1, pads)
        parts = jnp.split(wide, kt, axis=-1)
    else:
        parts = [_all_frames(dy, mirrored[:, :, :, i], 1, pads) for i in range(kt)]
    space = [(0, 0)] * 3
    return sum(jnp.pad(g, [(0, 0), (i, kt - 1 - i), *space]) for i, g in enumerate(parts))


def _gradients_on_cpu(
    x: jax.Array, w: jax.Array, dy: jax.Array, strides: Strides, bordered: bool
) -> tuple[jax.Array, jax.Array]:
    if strides != (1, 1):
        form = functools.partial(_on_cpu, strides=strides, bordered=bordered)
        return jax.vjp(form, x, w)[1](dy)
    dw = weight_gradient(x, dy, w.shape[:3], bordered)
    return input_gradient(w, dy, bordered), dw.astype(w.dtype)


def _gradients(
    x: jax.Array, w: jax.Array, dy: jax.Array, strides: Strides, bordered: bool
) -> tuple[jax.Array, jax.Array]:
    form = functools.partial(conv3d, strides=strides, bordered=bordered)
    return jax.vjp(form, x, w)[1](dy)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def causal_conv3d(
    x: jax.Array, w: jax.Array, strides: Strides = (1, 1), bordered: bool = False
) -> jax.Array:
    """Equation (1) in the form that suits the platform.

    Args:
      x: ``[B, T + kt - 1, H, W, C]``, the frames before the clip included.
      w: ``[kt, kh, kw, C, O]``, of the type of ``x``.
      strides: (time, space).
      bordered: ``x`` has H + kh - ss rows: also those that are zeros otherwise.

    Returns:
      ``[B, 1 + (T - 1) // st, H // ss, W // ss, O]``.
    """
    forms = {"cpu": _on_cpu, "default": conv3d}
    return _by_platform(forms, strides, bordered, x, w)


def _by_platform(forms, strides: Strides, bordered: bool, *arrays: jax.Array):
    chosen = {
        platform: functools.partial(form, strides=strides, bordered=bordered)
        for platform, form in forms.items()
    }
    return lax.platform_dependent(*arrays, **chosen)


def _forward(x, w, strides, bordered):
    return causal_conv3d(x, w, strides, bordered), (x, w)


def _backward(strides, bordered, saved, dy):
    forms = {"cpu": _gradients_on_cpu, "default": _gradients}
    return _by_platform(forms, strides, bordered, *saved, dy)


causal_conv3d.defvjp(_forward, _backward)
