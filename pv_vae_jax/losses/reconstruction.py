"""Reconstruction: the error of each frame, and of each temporal difference.

    mse[b, t]        = mean_{H W C} (y - x)^2                                           (1)
    difference[b, t] = mean_{H W C} ((y_t - y_{t-1}) - (x_t - x_{t-1}))^2,  t >= 1      (2)

(2) is the paper's motion-aware term: it takes the static background out of the objective, so that
copying is not rewarded.  The difference of a pair of frames belongs to its later frame; frame 0 has
none and is 0.  Pixels are in [-1, 1]; there is no factor 1/2.
Reference: arXiv 2605.02134, section 3.
"""

import chex
import jax
import jax.numpy as jnp


def squared_error(video: jax.Array, target: jax.Array) -> jax.Array:
    """Equation (1): two clips ``[B, T, H, W, C]`` to ``[B, T]``."""
    chex.assert_equal_shape((video, target))
    return jnp.mean(jnp.square(video - target), axis=(2, 3, 4))


def difference_error(video: jax.Array, target: jax.Array) -> jax.Array:
    """Equation (2): two clips ``[B, T, H, W, C]`` to ``[B, T]``, frame 0 being 0."""
    chex.assert_equal_shape((video, target))
    error = video - target
    later = jnp.mean(jnp.square(error[:, 1:] - error[:, :-1]), axis=(2, 3, 4))
    return jnp.pad(later, ((0, 0), (1, 0)))
