"""What lies between the stages of the Wan VAEs.

    down        y = conv 1x3x3 / 2;  in time  y[0], conv 3x1x1 / 2 of y                     (1)
    up          in time  x[0], conv 3x1x1 C -> 2 C of x[1:], its halves as frames 2t, 2t + 1;
                then nearest x2 in space and conv 1x3x3                                     (2)
    patch       [H, W, C] to [H/p, W/p, C p p], channel index (c p + column) p + row        (3)

Wan2.1 has (1) and (2) alone; (3), without parameters, is Wan2.2's, as are the straight paths of
shortcuts.py around a stage with (1) or (2).  A clip has 1 + 2n frames: (2) has zeros before frame
1, so that frame 0 is a picture.

Reference: Wan-Video/Wan2.2, wan/modules/vae2_2.py (Resample, patchify).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.resample import interleave, nearest


class Downsample(nn.Module):
    """Equation (1); ``time`` is 1 or 2."""

    time: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, first: bool) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) / time, H / 2, W / 2, C]``."""
        c, form = x.shape[-1], {"time_padding": "zeros", "dtype": self.dtype}
        x = CausalConv3D(c, (1, 3, 3), (1, 2), **form, name="space")(x)
        if self.time == 1:
            return x
        y = CausalConv3D(c, (3, 1, 1), (2, 1), **form, name="time")(x)
        return jnp.concatenate([x[:, :1], y[:, 1:]], axis=1) if first else y


class Upsample(nn.Module):
    """Equation (2); ``time`` is 1 or 2."""

    features: int
    time: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, first: bool) -> jax.Array:
        """``[B, t, h, w, C]`` to ``[B, 1 + (t - 1) time, 2 h, 2 w, features]``."""
        form = {"time_padding": "zeros", "dtype": self.dtype}
        if self.time == 2:
            conv = CausalConv3D(2 * x.shape[-1], (3, 1, 1), **form, name="time")
            rest = x[:, 1:] if first else x
            if rest.shape[1]:
                rest = interleave(conv(rest))
                x = jnp.concatenate([x[:, :1], rest], axis=1) if first else rest
            elif self.is_initializing():
                conv(x)  # its parameters do not depend on the clip's length
        x = nearest(x, 1, 2, first)
        return CausalConv3D(self.features, (1, 3, 3), **form, spread=True, name="space")(x)


def patchify(x: jax.Array, patch: int) -> jax.Array:
    """Equation (3): ``[B, T, H, W, C]`` to ``[B, T, H/p, W/p, C p p]``."""
    if patch == 1:
        return x
    b, t, h, w, c = x.shape
    x = x.reshape(b, t, h // patch, patch, w // patch, patch, c)
    return x.transpose(0, 1, 2, 4, 6, 5, 3).reshape(b, t, h // patch, w // patch, -1)


def unpatchify(x: jax.Array, patch: int) -> jax.Array:
    """The inverse of :func:`patchify`."""
    if patch == 1:
        return x
    b, t, h, w, c = x.shape
    x = x.reshape(b, t, h, w, c // patch**2, patch, patch)
    return x.transpose(0, 1, 2, 6, 3, 5, 4).reshape(b, t, h * patch, w * patch, -1)
