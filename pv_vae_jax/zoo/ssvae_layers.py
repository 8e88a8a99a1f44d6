"""Down and up by 2 with shortcuts that have no parameters (DC-AE's), causal in time.

    down(x) = conv of stride 2 (x) + average(x)                                             (1)
    up(x)   = conv(nearest x2 (x)) + duplicate(x)                                           (2)

average and duplicate are those of shortcuts.py.  Where time changes too, frame 0 is alone: a zero
frame stands before it in average, although the convolution of (1) stands on copies of it; in (2)
the last of its copies is kept.

Source: DC-AE, arXiv 2410.10733, as in SSVAE (zai-org/SSVAE, dc_3dvae.py).
"""

import flax.linen as nn
import jax

from pv_vae_jax.layers.causal_conv import CausalConv3D, begins
from pv_vae_jax.layers.resample import nearest
from pv_vae_jax.zoo.shortcuts import average, duplicate


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
        return y + average(x, self.features, (self.time, 2))


class Up(nn.Module):
    """Equation (2); the convolution spans time also where ``time`` is 1."""

    features: int
    time: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) time, 2 H, 2 W, features]``."""
        first, strides = begins(self), (self.time, 2)
        layer = CausalConv3D(self.features, dtype=self.dtype, spread=True, name="conv")
        return layer(nearest(x, *strides, first)) + duplicate(x, self.features, strides, first)
