"""Where withheld places lie: masks of what is observed.

    suffix   the last k runs of latent steps                          N = (G - 1) div m     (1)
    infill   k runs in a row, the last latent step observed           N = (G - 2) div m     (2)
    tube     k random cells of a frame, at all times after the first  N = h w               (3)
    block    a box of at most k cells in time and space               N = ((G - 1) div m) h w
    cells    k random cells in time and space                         N = ((G - 1) div m) h w

A run is ``m`` latent steps, a cell one place of the latent grid (16 x 16 pixels) for one run.  Runs
are counted from the end: the (G - 1) mod m latent steps after the first that make no whole run stay
observed (infill: (G - 2) mod m).  Group 0 is never withheld.

A mask is bool ``[G, h, w]``, or ``[G, 1, 1]`` where whole latent steps are withheld, True for what
is observed; ``[B, ...]`` in a batch.  Tubes are those of VideoMAE (arXiv 2203.12602), random cells
those of the spatiotemporal MAE (arXiv 2205.09113), boxes like those of V-JEPA (arXiv 2404.08471).
"""

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import dims

KINDS = ("suffix", "infill", "tube", "block", "cells", "none")
WHOLE = ("suffix", "infill", "none")  # kinds that withhold whole latent steps


def units(kind: str, group: int, grid: tuple[int, int, int]) -> int:
    """N of a clip of ``grid`` (G, h, w) latents."""
    groups, height, width = grid
    runs = max(groups - (2 if kind == "infill" else 1), 0) // group
    if kind == "none" or groups == 1:
        return 0
    if kind == "tube":
        return height * width
    return runs if kind in WHOLE else runs * height * width


def draw(
    random: np.random.Generator, kind: str, k: int, group: int, grid: tuple[int, int, int]
) -> np.ndarray:
    """The mask of one example.

    Args:
      random: drawn from where ``k`` does not say it all.
      kind: see the module's docstring.
      k: how many of the N units are withheld.
      group: latent steps in a run.
      grid: (G, h, w).

    Returns:
      bool ``[G, h, w]``, or ``[G, 1, 1]`` for the kinds that withhold whole latent steps.
    """
    groups, height, width = grid
    if kind in WHOLE:
        observed = np.ones((groups, 1, 1), bool)
        if kind == "suffix":
            observed[groups - k * group :] = False
        elif kind == "infill" and k:
            starts = units(kind, group, grid) - k + 1
            end = groups - 1 - group * int(random.integers(starts))
            observed[end - k * group : end] = False
        return observed
    runs = (groups - 1) // group
    if kind == "tube":
        withheld = np.zeros((groups - 1, height * width), bool)
        withheld[:, random.permutation(height * width)[:k]] = True
        withheld = withheld.reshape(groups - 1, height, width)
    elif kind == "cells":
        withheld = np.zeros(runs * height * width, bool)
        withheld[random.permutation(len(withheld))[:k]] = True
        withheld = withheld.reshape(runs, height, width)
    else:
        withheld = _box(random, k, (runs, height, width))
    later = np.repeat(withheld, 1 if kind == "tube" else group, axis=0)
    observed = np.ones(grid, bool)
    observed[groups - len(later) :] = ~later
    return observed


def _box(random: np.random.Generator, k: int, size: tuple[int, int, int]) -> np.ndarray:
    """A box of at most k cells: its length, then its height, are drawn; its width is the most."""
    length, height, width = size
    withheld = np.zeros(size, bool)
    if k == 0:
        return withheld
    a = int(random.integers(-(-k // (height * width)), min(length, k) + 1))
    b = int(random.integers(-(-(k // a) // width), min(height, k // a) + 1))
    sides = (a, b, k // a // b)
    first = [int(random.integers(all_ - side + 1)) for all_, side in zip(size, sides, strict=True)]
    withheld[tuple(slice(at, at + side) for at, side in zip(first, sides, strict=True))] = True
    return withheld


def observed_groups(withheld: np.ndarray, groups: int) -> np.ndarray:
    """``k [B]`` of a suffix to the mask, bool ``[B, G, 1, 1]``."""
    observed = np.arange(groups)[None, :] < groups - np.asarray(withheld)[:, None]
    return observed[:, :, None, None]


def observed_frames(observed: jax.Array, temporal: int) -> jax.Array:
    """The mask of latents ``[B, G, h', w']`` to that of frames, bool ``[B, T, h', w']``."""
    frames = dims.frames_of(observed.shape[1], temporal)
    return jnp.take(observed, dims.group_of_frame(frames, temporal), axis=1)


def observed_pixels(frames: jax.Array, height: int, width: int) -> jax.Array:
    """The mask of frames ``[B, T, h', w']`` to that of pixels, bool ``[B, T, H, W, 1]``.

    A mask of whole frames stays ``[B, T, 1, 1, 1]``.
    """
    if frames.shape[2:] != (1, 1):
        frames = jnp.repeat(frames, height // frames.shape[2], axis=2)
        frames = jnp.repeat(frames, width // frames.shape[3], axis=3)
    return frames[..., None]
