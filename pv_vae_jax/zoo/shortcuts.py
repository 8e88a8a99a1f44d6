"""Straight paths around a resampling, without parameters (DC-AE's); Wan2.2 and SSVAE have them.

    average     [T, H, W, C] to [T/ft, H/fs, W/fs, C ft fs fs], channel index
                ((c ft + frame) fs + row) fs + column, then means of neighbouring channels  (1)
    duplicate   each channel as often in a row as it takes, then back from the index of (1) (2)

A clip has 1 + ft n frames: (1) sees zeros before frame 0, and (2) keeps the last of its frames in
the place of frame 0.

Reference: DC-AE, arXiv 2410.10733; Wan-Video/Wan2.2, wan/modules/vae2_2.py (AvgDown3D, DupUp3D);
zai-org/SSVAE, dc_3dvae.py.
"""

import jax
import jax.numpy as jnp

from pv_vae_jax.layers.ordered_sum import ordered_sum


def average(x: jax.Array, features: int, strides: tuple[int, int]) -> jax.Array:
    """Equation (1); the mean is taken in float32.

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
    places = x.reshape(b, t // time, time, h // space, space, w // space, space, c)
    places = places.transpose(0, 1, 3, 5, 7, 2, 4, 6)
    places = places.reshape(*places.shape[:4], features, -1)
    mean = ordered_sum(places.astype(jnp.float32)) / places.shape[-1]
    return mean[..., 0].astype(x.dtype)


def duplicate(x: jax.Array, features: int, strides: tuple[int, int], first: bool) -> jax.Array:
    """Equation (2).

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
