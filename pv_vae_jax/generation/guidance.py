"""Classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598).

    v = v_null + scale (v_label - v_null)   where first <= t <= last                        (1)
    v = v_label                             elsewhere

At a scale of 1 this is v_label: a shortcut known before tracing, one evaluation.  Guidance in a
part of the way only is that of Kynkaanniemi et al. 2024 (arXiv:2404.07724); steps outside it
evaluate once.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pv_vae_jax.generation.solvers import Field

Velocity = Callable[[Any, jax.Array, jax.Array, jax.Array | None], jax.Array]
ALL = (0.0, 1.0)


def guided_field(
    velocity: Velocity,
    params: Any,
    label: jax.Array | None,
    null: int,
    scale: float,
    interval: tuple[float, float],
) -> Field:
    """Equation (1) as a field.

    Args:
      velocity: ``(params, x [B, ...], time [B], label [B] or None) -> v`` of x's shape.
      params: passed on to it.
      label: int32 ``[B]``; None only at a scale of 1.
      null: the label that stands for no class.
      scale: of equation (1).
      interval: (first, last) of equation (1).

    Returns:
      ``(x, t) -> v``, t a scalar.
    """

    def plain(x, time):
        return velocity(params, x, jnp.full(x.shape[:1], time), label)

    if scale == 1.0:
        return plain

    # The two rows of an example lie side by side, so that each device keeps its own examples.
    pair = jnp.stack([label, jnp.full_like(label, null)], axis=1).reshape(-1)

    def guided(x, time):
        both = velocity(params, jnp.repeat(x, 2, axis=0), jnp.full(pair.shape, time), pair)
        both = both.reshape(-1, 2, *x.shape[1:])
        return both[:, 1] + scale * (both[:, 0] - both[:, 1])

    if tuple(interval) == ALL:
        return guided
    first, last = interval

    def within(x, time):
        return jax.lax.cond((first <= time) & (time <= last), guided, plain, x, time)

    return within
