"""A term of pixels: its value, its cotangent on the reconstruction, its report.  No weights.

    L(y) = mean_b mean_{t counted} l_bt(y, x),      (L, dL/dy)                                 (1)

``y`` is the reconstruction, ``x`` the clip; a term of frames says which frames count.  The values
of observed and of withheld frames are reported apart.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from pv_vae_jax.losses import reconstruction

# A reported value is (sum, count), so that it merges over micro-batches, hosts and steps.
Report = dict[str, tuple[jax.Array, jax.Array]]
# (video, target) -> values [B, T] of each frame, and which of them count, bool [B, T]
FrameTerm = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
# (video, seen frames [B, T]) -> loss of each example [B]
ClipTerm = Callable[[jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where the step is cut.

    Attributes:
      target: clips ``[B, T, H, W, 3]`` in [-1, 1].
      video: their reconstructions.
      seen: frames that were not withheld, bool ``[B, T]``.
    """

    target: jax.Array
    video: jax.Array
    seen: jax.Array


def squared_error(video: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """MSE as a term of frames; all count."""
    return reconstruction.squared_error(video, target), jnp.ones(video.shape[:2], bool)


def difference_error(video: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Diff as a term of frames; all but frame 0 count."""
    counted = jnp.ones(video.shape[:2], bool).at[:, 0].set(False)
    return reconstruction.difference_error(video, target), counted


def over(values: jax.Array, where: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The (sum, count) of ``values`` where ``where``."""
    return jnp.sum(jnp.where(where, values, 0.0)), jnp.sum(where, dtype=jnp.float32)


def mean_over(values: jax.Array, where: jax.Array) -> jax.Array:
    """Mean of ``values [B, n]`` where ``where``, per example ``[B]``; 0 where there is none."""
    count = jnp.sum(where, axis=1)
    return jnp.sum(jnp.where(where, values, 0.0), axis=1) / jnp.maximum(count, 1)


def of_frames(name: str, term: FrameTerm, cut: Cut) -> tuple[jax.Array, jax.Array, Report]:
    """Equation (1): value, cotangent, report under ``name``."""

    def value(video):
        values, counted = term(video, cut.target)
        report = {
            name: over(values, counted),
            f"{name}/observed": over(values, counted & cut.seen),
            f"{name}/withheld": over(values, counted & ~cut.seen),
        }
        return jnp.mean(mean_over(values, counted)), report

    (value, report), cotangent = jax.value_and_grad(value, has_aux=True)(cut.video)
    return value, cotangent, report


def of_clips(name: str, term: ClipTerm, cut: Cut) -> tuple[jax.Array, jax.Array, Report]:
    """Like :func:`of_frames` of a judge that is itself in training.

    If value or cotangent is not finite, both are zero, and ``NAME/zeroed`` counts it.
    """
    value, cotangent = jax.value_and_grad(lambda video: jnp.mean(term(video, cut.seen)))(cut.video)
    finite = jnp.all(jnp.isfinite(cotangent)) & jnp.isfinite(value)
    value, cotangent = (jnp.where(finite, x, 0.0) for x in (value, cotangent))
    one = jnp.float32(1.0)
    return value, cotangent, {name: (value, one), f"{name}/zeroed": (1.0 - finite, one)}
