"""Causal convolution in time, zero-padded in space.

    y[t, h, w] = b + sum_{i < kt} sum_{j, l} W[i, j, l] x[st t + i - (kt - 1), ss h + j - p, ss w + l - p]   (1)

Frames before the clip are copies of frame 0 (``replicate``) or zeros.  With a time stride of 2 the
outputs are those of frames 0, 2, 4, ...: frame 0 stays alone and 1 + 2n frames become 1 + n.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from pv_vae_jax.core.precision import compute_dtype

TIME_PADDINGS = ("replicate", "zeros")


def _space_padding(kernel: int, stride: int) -> tuple[int, int]:
    total = kernel - stride
    return (total // 2, total - total // 2)


def _conv2d(x, w, stride):
    pads = [_space_padding(k, stride) for k in w.shape[:2]]
    return lax.conv_general_dilated(
        x, w, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def conv3d(x, w, strides):
    """Equation (1) as one 3-D convolution."""
    pads = [(0, 0)] + [_space_padding(k, strides[1]) for k in w.shape[1:3]]
    steps = (strides[0], strides[1], strides[1])
    return lax.conv_general_dilated(
        x, w, steps, pads, dimension_numbers=("NDHWC", "DHWIO", "NDHWC")
    )


def _taps_of(x, taps, stride):
    outputs = (x.shape[1] - taps) // stride + 1
    return [x[:, i : i + stride * (outputs - 1) + 1 : stride] for i in range(taps)], outputs


def taps(x, w, strides):
    """Equation (1) as the sum over the temporal taps of 2-D convolutions."""
    slices, outputs = _taps_of(x, w.shape[0], strides[0])
    y = sum(
        _conv2d(s.reshape(-1, *s.shape[2:]), w[i], strides[1]) for i, s in enumerate(slices)
    )
    return y.reshape(x.shape[0], outputs, *y.shape[1:])


def stack(x, w, strides):
    """Equation (1) as one 2-D convolution over the temporal taps stacked on the channels."""
    slices, outputs = _taps_of(x, w.shape[0], strides[0])
    s = jnp.concatenate(slices, -1)
    k = jnp.moveaxis(w, 0, 2).reshape(*w.shape[1:3], -1, w.shape[-1])
    y = _conv2d(s.reshape(-1, *s.shape[2:]), k, strides[1])
    return y.reshape(x.shape[0], outputs, *y.shape[1:])


FORMS: dict[str, Callable] = {"conv3d": conv3d, "taps": taps, "stack": stack}


def causal_conv3d(x, w, strides=(1, 1), form="taps"):
    """Equation (1) without bias; ``x`` already holds the frames in front."""
    return FORMS[form](x, w, strides)


class CausalConv3D(nn.Module):
    """Equation (1) as a layer with a streaming cache.

    Attributes:
      features: output channels.
      kernel: ``(kt, kh, kw)``.
      strides: ``(st, ss)``, time and space, each 1 or 2.
      time_padding: "replicate" or "zeros".
      dtype: compute type.
    """

    features: int
    kernel: tuple[int, int, int] = (3, 3, 3)
    strides: tuple[int, int] = (1, 1)
    time_padding: str = "replicate"
    dtype: str = "float32"
    kernel_init: Callable = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x):
        """``[B, T, H, W, C]`` to ``[B, T', H', W', features]``."""
        dtype = compute_dtype(self.dtype)
        w = self.param("kernel", self.kernel_init, (*self.kernel, x.shape[-1], self.features))
        b = self.param("bias", nn.initializers.zeros, (self.features,))
        x = self._with_history(x.astype(dtype))
        y = causal_conv3d(x, w.astype(dtype), self.strides)
        return y + b.astype(dtype).reshape(1, 1, 1, 1, -1)

    def _with_history(self, x):
        if self.has_variable("cache", "frames"):
            x = jnp.concatenate([self.get_variable("cache", "frames"), x], axis=1)
        elif self.kernel[0] > 1:
            front = x[:, :1] if self.time_padding == "replicate" else jnp.zeros_like(x[:, :1])
            x = jnp.concatenate([jnp.repeat(front, self.kernel[0] - 1, axis=1), x], axis=1)
        keep = self.kernel[0] - self.strides[0]
        if keep > 0 and self.is_mutable_collection("cache") and not self.is_initializing():
            self.put_variable("cache", "frames", x[:, -keep:])
        return x
