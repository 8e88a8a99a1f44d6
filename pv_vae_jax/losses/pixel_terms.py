"""A term of pixels: its value, its cotangent on the reconstruction, its report.  No weights.

    L(y) = mean_b mean_{places counted} l_b(y, x),      (L, dL/dy)                             (1)

``y`` is the reconstruction, ``x`` the clip.  A place is a frame, or a cell of a frame where cells
are withheld; a term of places says which count.  The values of observed and of withheld places are
reported apart.  Where the loss is of withheld pixels alone, the observed pixels of ``y`` are those
of ``x``, so that they have neither error nor gradient; withheld places alone count, and ``mean_b``
is over the examples that have some.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from pv_vae_jax.losses import reconstruction
from pv_vae_jax.withholding import observed_pixels

# A reported value is (sum, count), so that it merges over micro-batches, hosts and steps.
Report = dict[str, tuple[jax.Array, jax.Array]]
# (video, target, grid) -> values of each place, and which of them count (bool), both
# [B, T, h', w'] of the grid, or [B, T, 1, 1]
PlaceTerm = Callable[[jax.Array, jax.Array, reconstruction.Grid], tuple[jax.Array, jax.Array]]
# (video, what was seen [B, T, h', w']) -> loss of each example [B]
ClipTerm = Callable[[jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where the step is cut.

    Attributes:
      target: clips ``[B, T, H, W, 3]`` in [-1, 1].
      video: their reconstructions.
      seen: what was not withheld, bool ``[B, T, h', w']``; h' = w' = 1 for whole frames.
      loss: the pixels in the terms of places, "all" or "withheld".
    """

    target: jax.Array
    video: jax.Array
    seen: jax.Array
    loss: str = "all"

    @property
    def grid(self) -> reconstruction.Grid:
        """(h', w') of ``seen``."""
        return self.seen.shape[2:]

    def scored(self, video: jax.Array) -> jax.Array:
        """``video`` as the terms of places see it."""
        if self.loss == "all":
            return video
        return jnp.where(observed_pixels(self.seen, *video.shape[2:4]), self.target, video)


def squared_error(video: jax.Array, target: jax.Array, grid: reconstruction.Grid):
    """MSE as a term of places; all count."""
    values = reconstruction.squared_error(video, target, grid)
    return values, jnp.ones(values.shape, bool)


def difference_error(video: jax.Array, target: jax.Array, grid: reconstruction.Grid):
    """Diff as a term of places; all but frame 0 count."""
    values = reconstruction.difference_error(video, target, grid)
    return values, jnp.ones(values.shape, bool).at[:, 0].set(False)


def over(values: jax.Array, where: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The (sum, count) of ``values`` where ``where``."""
    return jnp.sum(jnp.where(where, values, 0.0)), jnp.sum(where, dtype=jnp.float32)


def mean_over(values: jax.Array, where: jax.Array) -> jax.Array:
    """Mean of ``values [B, ...]`` where ``where``, per example ``[B]``; 0 where there is none."""
    axes = tuple(range(1, values.ndim))
    count = jnp.sum(where, axis=axes)
    return jnp.sum(jnp.where(where, values, 0.0), axis=axes) / jnp.maximum(count, 1)


def of_places(name: str, term: PlaceTerm, cut: Cut) -> tuple[jax.Array, jax.Array, Report]:
    """Equation (1): value, cotangent, report under ``name``."""

    def value(video):
        values, counted = term(cut.scored(video), cut.target, cut.grid)
        seen = cut.seen
        if values.shape[2:] != cut.grid:  # a judge of whole frames
            seen = jnp.all(seen, axis=(2, 3), keepdims=True)
        if cut.loss == "withheld":
            counted = counted & ~seen
        report = {
            name: over(values, counted),
            f"{name}/observed": over(values, counted & seen),
            f"{name}/withheld": over(values, counted & ~seen),
        }
        means = mean_over(values, counted)
        if cut.loss == "all":
            return jnp.mean(means), report
        some = jnp.any(counted, axis=(1, 2, 3))
        return jnp.sum(means) / jnp.maximum(jnp.sum(some), 1), report

    (value, report), cotangent = jax.value_and_grad(value, has_aux=True)(cut.video)
    return value, cotangent, report


def of_clips(name: str, term: ClipTerm, cut: Cut) -> tuple[jax.Array, jax.Array, Report]:
    """Like :func:`of_places` of a judge that is itself in training; ``cut.loss`` has no part.

    If value or cotangent is not finite, both are zero, and ``NAME/zeroed`` counts it.
    """
    value, cotangent = jax.value_and_grad(lambda video: jnp.mean(term(video, cut.seen)))(cut.video)
    finite = jnp.all(jnp.isfinite(cotangent)) & jnp.isfinite(value)
    value, cotangent = (jnp.where(finite, x, 0.0) for x in (value, cotangent))
    one = jnp.float32(1.0)
    return value, cotangent, {name: (value, one), f"{name}/zeroed": (1.0 - finite, one)}
