"""Pixels: uint8 in [0, 255] at rest, float32 in [-1, 1] inside.

x = u / 127.5 - 1,        u = round(clip(x, -1, 1) * 127.5 + 127.5)               (1)
"""

import jax
import jax.numpy as jnp
import numpy as np


def to_float(video: jax.Array) -> jax.Array:
    """uint8 to float32 in [-1, 1], equation (1)."""
    return video.astype(jnp.float32) / 127.5 - 1.0


def to_uint8(video: jax.Array) -> jax.Array:
    """Float to uint8, equation (1); values outside [-1, 1] are clipped."""
    return jnp.round(jnp.clip(video, -1.0, 1.0) * 127.5 + 127.5).astype(jnp.uint8)


def eight_bits(video: jax.Array) -> np.ndarray:
    """:func:`to_uint8` as an array of the host.

    Raises:
      ValueError: a pixel is NaN or infinite.
    """
    if not bool(jnp.isfinite(video).all()):
        raise ValueError(
            "a model made NaN or infinite pixels: its weights, or its precision, are at fault."
        )
    return np.asarray(to_uint8(video))
