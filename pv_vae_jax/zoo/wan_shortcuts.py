"""What lies between the stages of the Wan VAEs.

    down        y = conv 1x3x3 / 2;  in time  y[0], conv 3x1x1 / 2 of y                     (1)
    up          in time  x[0], conv 3x1x1 C -> 2 C of x[1:], its halves as frames 2t, 2t + 1;
                then nearest x2 in space and conv 1x3x3                                     (2)
    patch       [H, W, C] to [H/p, W/p, C p p], channel index (c p + column) p + row        (3)
    avg_down    [T, H, W, C] to [T/ft, H/fs, W/fs, C ft fs fs], channel index
                ((c ft + frame) fs + row) fs + column, then means of neighbouring channels  (4)
    dup_up      each channel as often in a row as it takes, then back from the index of (4) (5)

Wan2.1 has (1) and (2) alone; (3) to (5), without parameters, are Wan2.2's, (4) and (5) its straight
paths around a stage with (1) or (2).  A clip has 1 + ft n frames: (2) has zeros before frame 1, so
that frame 0 is a picture; (4) sees zeros before frame 0, and (5) keeps the last of its frames in
the place of frame 0.

Reference: Wan-Video/Wan2.2, wan/modules/vae2_2.py (Resample, patchify, AvgDown3D, DupUp3D).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.causal_conv import CausalConv3D


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
                rest = _interleave(conv(rest))
                x = jnp.concatenate([x[:, :1], rest], axis=1) if first else rest
            elif self.is_initializing():
                conv(x)  # its parameters do not depend on the clip's length
        x = jnp.repeat(jnp.repeat(x, 2, axis=2), 2, axis=3)
        return CausalConv3D(self.features, (1, 3, 3), **form, spread=True, name="space")(x)


def _interleave(y: jax.Array) -> jax.Array:
    """``[B, t, h, w, 2 C]`` to ``[B, 2 t, h, w, C]``: the first half of the channels first."""
    b, t, h, w, c = y.shape
    return jnp.stack(jnp.split(y, 2, axis=-1), axis=2).reshape(b, 2 * t, h, w, c // 2)


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


def avg_down(x: jax.Array, features: int, strides: tuple[int, int]) -> jax.Array:
    """Equation (4).

    Args:
      x: ``[B, T, H, W, C]``; T is 1 + ft n, or ft n in a later chunk of a stream.
      features: channels of the result.
      strides: (ft, fs), time and space.

    Returns:
      ``[B, 1 + n, H / fs, W / fs, features]``, or n frames of a later chunk.

    Raises:
      ValueError: ``features`` does not divide C ft fs fs.
    """
    time, space = strides
    x = jnp.pad(x, [(0, 0), (-x.shape[1] % time, 0), (0, 0), (0, 0), (0, 0)])
    b, t, h, w, c = x.shape
    if c * time * space**2 % features:
        raise ValueError(
            f"a straight path down takes {c} x {time * space**2} values to {features} channels: "
            "make the widths divide."
        )
    x = x.reshape(b, t // time, time, h // space, space, w // space, space, c)
    x = x.transpose(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(*x.shape[:4], features, -1).mean(axis=-1)


def dup_up(x: jax.Array, features: int, strides: tuple[int, int], first: bool) -> jax.Array:
    """Equation (5).

    Args:
      x: ``[B, t, h, w, C]``.
      features: channels of the result.
      strides: time and space.
      first: whether ``x`` begins with frame 0, which stays alone in time.

    Returns:
      ``[B, t ft, h fs, w fs, features]``, without the first ft - 1 frames if ``first``.

    Raises:
      ValueError: C does not divide features ft fs fs.
    """
    time, space = strides
    b, t, h, w, c = x.shape
    if features * time * space**2 % c:
        raise ValueError(
            f"a straight path up takes {c} channels to {features} x {time * space**2} values: "
            "make the widths divide."
        )
    x = jnp.repeat(x, features * time * space**2 // c, axis=-1)
    x = x.reshape(b, t, h, w, features, time, space, space)
    x = x.transpose(0, 1, 5, 2, 6, 3, 7, 4)
    x = x.reshape(b, t * time, h * space, w * space, features)
    return x[:, time - 1 :] if first else x
