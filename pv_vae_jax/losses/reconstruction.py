"""Reconstruction: the error of each frame, and of each temporal difference.

    mse[b, t]        = mean_{H W C} (y - x)^2                                           (1)
    difference[b, t] = mean_{H W C} ((y_t - y_{t-1}) - (x_t - x_{t-1}))^2,  t >= 1      (2)

Means are over the whole frame, or over each cell of a grid (h, w) of it.  (2) is the paper's
motion-aware term: it takes the static background out of the objective, so that copying is not
rewarded.  The difference of a pair of frames belongs to its later frame; frame 0 has none and is 0.
Pixels are in [-1, 1]; there is no factor 1/2.
Reference: arXiv 2605.02134, section 3.
"""

import chex
import jax
import jax.numpy as jnp

Grid = tuple[int, int]


def _means(x: jax.Array, grid: Grid) -> jax.Array:
    """``[B, T, H, W, C]`` to the means ``[B, T, h, w]`` of the cells of a grid."""
    if grid == (1, 1):
        return jnp.mean(x, axis=(2, 3, 4))[:, :, None, None]
    b, t, height, width, c = x.shape
    h, w = grid
    x = x.reshape(b, t, h, height // h, w, width // w, c)
    return jnp.mean(x, axis=(3, 5, 6))


def squared_error(video: jax.Array, target: jax.Array, grid: Grid = (1, 1)) -> jax.Array:
    """Equation (1): two clips ``[B, T, H, W, C]`` to ``[B, T, h, w]``."""
    chex.assert_equal_shape((video, target))
    return _means(jnp.square(video - target), grid)


def difference_error(video: jax.Array, target: jax.Array, grid: Grid = (1, 1)) -> jax.Array:
    """Equation (2): two clips ``[B, T, H, W, C]`` to ``[B, T, h, w]``, frame 0 being 0."""
    chex.assert_equal_shape((video, target))
    error = video - target
    later = _means(jnp.square(error[:, 1:] - error[:, :-1]), grid)
    return jnp.pad(later, ((0, 0), (1, 0), (0, 0), (0, 0)))
