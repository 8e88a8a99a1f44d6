"""A small decoder of 3-D convolutions and pixel shuffle, with one budget for all models.

    [G, h, w, C]     features: a group of p frames, cells of ``cell`` pixels
    [G, a, b, W]     projection, 1x1x1, onto a grid of ``grid`` pixels, the same for all models  (1)
                     ``blocks`` residual blocks of 3x3x3 convolutions
    [T, 2a, 2b, F]   shuffle by (p, 2, 2), T = 1 + p (G - 1); a residual block
    [T, H', W', K]   shuffle; places of ``stride`` pixels

Finer cells than the grid's become channels before (1), coarser ones are shuffled out of its
channels, so nothing is lost and all that follows (1) is identical, whatever C and ``cell`` are:
:func:`budget` tells both counts.  The convolutions see as much future as past.
Paper: section 6, "small decoders of 3D convolutions and pixel-shuffle"; their sizes are ours.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import trees
from pv_vae_jax.layers.blocks import ResidualBlock
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.resample import shuffle, unshuffle

GRID = 16  # pixels


def in_time(x: jax.Array, temporal: int) -> jax.Array:
    """``[B, G, H, W, p C]`` to ``[B, 1 + p (G - 1), H, W, C]``: group 0 gives its last frame."""
    b, groups, height, width, c = x.shape
    x = x.reshape(b, groups, height, width, temporal, c // temporal)
    x = x.transpose(0, 1, 4, 2, 3, 5).reshape(b, groups * temporal, height, width, -1)
    return x[:, temporal - 1 :]


class Probe(nn.Module):
    """Features to a value for each place.

    Attributes:
      outputs: K.
      temporal: p, frames of a group of features.
      cell: pixels of a cell of features.
      stride: pixels of a place of the result; divides ``grid / 2``.
      width: W.
      blocks: how many at the width W.
      fine: F.
      grid: pixels of the common grid; a multiple or a divisor of ``cell``.
    """

    outputs: int
    temporal: int
    cell: int
    stride: int
    width: int = 48
    blocks: int = 2
    fine: int = 16
    grid: int = GRID

    @nn.compact
    def __call__(self, features: jax.Array) -> jax.Array:
        """``[B, G, h, w, C]`` to float32 ``[B, T, H', W', K]``.

        Raises:
          ValueError: cells, grid or stride that do not divide one another, or h and w.
        """
        self._check(features.shape)
        x = self._projected(features)
        for i in range(self.blocks):
            x = ResidualBlock(self.width, causal=False, name=f"block_{i}")(x)
        x = _linear(4 * self.temporal * self.fine, "spread")(x)
        x = in_time(shuffle(x, 2), self.temporal)
        x = ResidualBlock(self.fine, causal=False, name="fine")(x)
        patch = self.grid // 2 // self.stride
        return shuffle(_linear(patch**2 * self.outputs, "out")(x), patch)

    def _projected(self, x: jax.Array) -> jax.Array:
        """Equation (1)."""
        if self.cell <= self.grid:
            return _linear(self.width, "projection")(unshuffle(x, self.grid // self.cell))
        patch = self.cell // self.grid
        return shuffle(_linear(patch**2 * self.width, "projection")(x), patch)

    def _check(self, shape: tuple[int, ...]) -> None:
        fine, coarse = sorted((self.cell, self.grid))
        if coarse % fine or self.grid % 2 or (self.grid // 2) % self.stride:
            raise ValueError(
                f"a probe's grid of {self.grid} pixels is even, a multiple or a divisor of the "
                f"features' cells ({self.cell}), and twice a multiple of the stride "
                f"({self.stride})."
            )
        patch = max(1, self.grid // self.cell)
        if shape[2] % patch or shape[3] % patch:
            height, width = (side * self.cell for side in shape[2:4])
            raise ValueError(
                f"clips of {height} x {width} do not divide into the probes' cells of {self.grid} "
                "pixels: choose another size."
            )


def _linear(features: int, name: str) -> CausalConv3D:
    return CausalConv3D(features, (1, 1, 1), name=name)


def initial(probe: Probe, key: jax.Array, shape: tuple[int, ...]) -> trees.Tree:
    """Fresh parameters for features ``[G, h, w, C]``; but for (1) they depend on the key alone."""
    return probe.init(key, jnp.zeros((1, *shape)))["params"]


def budget(params: trees.Tree) -> dict[str, int]:
    """Number of parameters of the projection, which depends on C, and of the rest."""
    first, rest = trees.partition(params, "^projection/")
    return {"projection": trees.count(first), "decoder": trees.count(rest)}


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, float32 ``[C]``; what never varies has 1."""
    axes = tuple(range(features.ndim - 1))
    mean = features.mean(axes, np.float64)
    squares = (np.square(clip - mean).mean(axes[:-1]) for clip in features)  # little memory
    std = np.sqrt(sum(squares) / len(features))
    return mean.astype(np.float32), np.where(std > 0, std, 1.0).astype(np.float32)
