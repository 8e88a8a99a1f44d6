"""Where a token stands: computed from the shape of the latents, never learned.

    w_i = 10000^(-2 i / C),  i < C / 2,      of layers/rotary.py                            (1)
    sincos(n) = [sin(n w_0), sin(n w_1), ..., cos(n w_0), cos(n w_1), ...]                  (2)
    rotary(x, n) = [a cos(n w) - b sin(n w), a sin(n w) + b cos(n w)],   x = [a, b]         (3)

(2) is added to the tokens.  In space the columns' (2) fills the first half of the channels, the
rows' the second.  (3) turns queries and keys, so that their product knows the difference of two
places alone; in space the first half of the angles is of the row, the second of the column.
References: (2) Latte (arXiv 2401.03048), after MAE; (3) RoPE (arXiv 2104.09864).
"""

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.layers.rotary import frequencies, turned

KINDS = ("sincos", "rotary")


def sincos(places: int, channels: int) -> np.ndarray:
    """Equation (2) of the places 0, 1, ...: float32 ``[places, channels]``; channels are even."""
    phases = np.arange(places)[:, None] * frequencies(channels)[None]
    return np.concatenate([np.sin(phases), np.cos(phases)], axis=1).astype(np.float32)


def space(rows: int, columns: int, channels: int) -> jax.Array:
    """Equation (2) in a frame, ``[1, 1, rows, columns, channels]``; channels divide by 4."""
    across = sincos(columns, channels // 2).reshape(1, 1, 1, columns, -1)
    down = sincos(rows, channels // 2).reshape(1, 1, rows, 1, -1)
    shape = (1, 1, rows, columns, channels // 2)
    return jnp.concatenate([jnp.broadcast_to(half, shape) for half in (across, down)], axis=-1)


def time(groups: int, channels: int) -> jax.Array:
    """Equation (2) over time, ``[1, groups, 1, 1, channels]``."""
    return jnp.asarray(sincos(groups, channels)).reshape(1, groups, 1, 1, channels)


def grid(*sizes: int) -> np.ndarray:
    """The places of a line or of a frame in the order of its tokens: ``[tokens, axes]``."""
    return np.stack([axis.reshape(-1) for axis in np.indices(sizes)], axis=1)


def angles(places: np.ndarray, channels: int) -> np.ndarray:
    """The angles ``n w`` of (3); each axis of ``places`` has an equal share of them.

    Args:
      places: ``[tokens, axes]``.
      channels: of a head; divides by ``2 axes``.

    Returns:
      float32 ``[tokens, channels / 2]``.
    """
    share = frequencies(channels // places.shape[1])[None]
    turned = [axis[:, None] * share for axis in places.T]
    return np.concatenate(turned, axis=1).astype(np.float32)


def rotary(x: jax.Array, angles: np.ndarray) -> jax.Array:
    """Equation (3), in float32.

    Args:
      x: queries or keys ``[N, tokens, heads, channels]``.
      angles: ``[tokens, channels / 2]``.

    Returns:
      Of the shape and type of ``x``.
    """
    cos, sin = (f(angles).reshape(1, len(angles), 1, -1) for f in (np.cos, np.sin))
    return turned(x, cos, sin)
