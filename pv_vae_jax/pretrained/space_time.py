"""Convolutions and maxima over time, rows and columns, in the form that suits the platform.

    y[p] = ReLU(b + sum_k W[k] x[s p + k - before]),      zeros around x                    (1)
    m[p] = max_k x[s p + k - before],                     nothing around x                  (2)

    SAME    ceil(n / s) results; of the (ceil(n / s) - 1) s + k - n places that are missing half
            lie before, half behind, the odd one behind (TensorFlow)                        (3)

Accelerators have one operation for each.  On CPU (launch/bench/judges.py)

    1x1x1          one matrix product                                        everywhere
    3x3x3          wide, in even frames: 16 products where the sum has 36 (layers/winograd.py)
    others         one 2-D convolution of the frames, the temporal taps stacked on the channels
    maxima         one axis after the other
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from pv_vae_jax.layers import winograd

WIDE = 48  # channels from which Winograd is the faster


def same(size: int, window: int, stride: int) -> tuple[int, int]:
    """Equation (3): the places before and behind."""
    missing = max(0, (-(-size // stride) - 1) * stride + window - size)
    return missing // 2, missing - missing // 2


def _plain(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride,) * 3,
        "SAME",
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        precision=lax.Precision.HIGHEST,
    )


def _on_cpu(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    (b, t, *frame, c), (k, *_, o) = x.shape, kernel.shape
    count = -(-t // stride)
    x = jnp.pad(x, [(0, 0), same(t, k, stride), (0, 0), (0, 0), (0, 0)])
    if c >= WIDE and winograd.fits((k, k, k), (stride, stride), *frame):
        return winograd.winograd(x, kernel)
    taps = [x[:, i : i + stride * (count - 1) + 1 : stride] for i in range(k)]
    y = lax.conv_general_dilated(
        jnp.concatenate(taps, axis=-1).reshape(b * count, *frame, k * c),
        kernel.transpose(1, 2, 0, 3, 4).reshape(k, k, k * c, o),
        (stride,) * 2,
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y.reshape(b, count, *y.shape[1:])


def convolve(x: jax.Array, kernel: jax.Array, bias: jax.Array, stride: int = 1) -> jax.Array:
    """Equation (1), SAME.

    Args:
      x: ``[B, T, H, W, C]``.
      kernel: ``[k, k, k, C, O]``.
      bias: ``[O]``.
      stride: of time, rows and columns.

    Returns:
      ``[B, ceil(T / stride), ceil(H / stride), ceil(W / stride), O]``.
    """
    if kernel.shape[0] == stride == 1:
        y = jnp.dot(x, kernel[0, 0, 0], precision=lax.Precision.HIGHEST)
    else:
        forms = {"cpu": _on_cpu, "default": _plain}
        forms = {name: functools.partial(form, stride=stride) for name, form in forms.items()}
        y = lax.platform_dependent(x, kernel, **forms)
    return jax.nn.relu(y + bias.reshape(1, 1, 1, 1, -1))


def _window(x: jax.Array, window: Sequence[int], strides: Sequence[int], padding: str) -> jax.Array:
    sizes, steps = (1, *window, 1), (1, *strides, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, sizes, steps, padding)


def _by_axis(
    x: jax.Array, window: Sequence[int], strides: Sequence[int], padding: str
) -> jax.Array:
    for axis, (size, stride) in enumerate(zip(window, strides, strict=True)):
        if (size, stride) != (1, 1):
            ones = [1, 1, 1]
            one = [*ones[:axis], size, *ones[axis + 1 :]], [*ones[:axis], stride, *ones[axis + 1 :]]
            x = _window(x, *one, padding)
    return x


def max_pool(
    x: jax.Array, window: Sequence[int], strides: Sequence[int], padding: str = "SAME"
) -> jax.Array:
    """Equation (2) of ``[B, T, H, W, C]``, window and strides over time, rows and columns."""
    fields = {"window": window, "strides": strides, "padding": padding}
    forms = {"cpu": _by_axis, "default": _window}
    forms = {name: functools.partial(form, **fields) for name, form in forms.items()}
    return lax.platform_dependent(x, **forms)
