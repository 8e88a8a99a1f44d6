"""Places by turning: queries and keys are turned by where they stand.

    w_i = 10000^(-2 i / C),  i < C / 2                                                      (1)
    turned(x, n) = [a cos(n w) - b sin(n w), a sin(n w) + b cos(n w)],   x = [a, b]         (2)

The product of a turned query and a turned key knows the difference of their places alone.
Reference: RoPE (arXiv 2104.09864).
"""

import jax
import jax.numpy as jnp
import numpy as np

PERIOD = 10000.0


def frequencies(channels: int) -> np.ndarray:
    """Equation (1), float64 ``[channels / 2]``."""
    return PERIOD ** (-np.arange(channels // 2) / (channels / 2))


def turned(x: jax.Array, cos: jax.Array, sin: jax.Array) -> jax.Array:
    """Equation (2), in float32.

    Args:
      x: queries or keys ``[..., channels]``.
      cos: of the angles ``n w``, ``[..., channels / 2]``, of a shape that broadcasts by ones.
      sin: likewise.

    Returns:
      Of the shape and type of ``x``.
    """
    a, b = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1).astype(x.dtype)
