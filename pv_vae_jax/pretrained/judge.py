"""What a frozen classifier of videos answers to: logits, a name, a checksum, a known answer.

    logits = network(prepare(video)),   prepare: size, range and colours of the frames      (1)

A figure of merit follows from (1) alone, so it is told with ``name``, ``sha256`` and ``prepared``.
Both steps are jitted: ``prepare`` is compiled for each shape of videos, the network, which takes
much longer to compile, for each number of clips and frames.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.sharding import NamedSharding, PartitionSpec

KNOWN = 16  # logits that are compared with a stored answer
NEAR = 1e-3  # largest difference from it, over the largest of the answer


@functools.partial(jax.jit, static_argnums=(0, 1))
def _apply(network: nn.Module, split: NamedSharding | None, params: Any, clip: jax.Array):
    """The logits; where clips lie on several devices each looks at its own."""

    def own(params, clip):
        return network.apply({"params": params}, clip)

    if split is not None:
        rows = PartitionSpec(split.spec[0])
        specs = {"in_specs": (PartitionSpec(), rows), "out_specs": rows}
        own = jax.shard_map(own, mesh=split.mesh, check_vma=False, **specs)
    return own(params, clip)


def _split(video: jax.Array | np.ndarray) -> NamedSharding | None:
    """How the clips are split among devices, if they are."""
    placed = getattr(video, "sharding", None)
    several = isinstance(placed, NamedSharding) and len(placed.spec) and placed.spec[0] is not None
    return placed if several and placed.num_devices > 1 else None


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """Weights, and what is done with them.

    Attributes:
      name: of network and data set.
      sha256: of the file of weights.
      prepared: what ``prepare`` does, in words.
      least_frames: T must be at least this.
      features: how many logits.
      network: a module, clips to float32 ``[B, features]``.
      params: its weights, a tree.
      prepare: videos to clips, jitted.
      answer: the first ``KNOWN`` logits of :func:`waves`, if they are known for these weights.
    """

    name: str
    sha256: str
    prepared: str
    least_frames: int
    features: int
    network: nn.Module = dataclasses.field(repr=False)
    params: Any = dataclasses.field(repr=False)
    prepare: Callable[[jax.Array], jax.Array] = dataclasses.field(repr=False)
    answer: tuple[float, ...] = dataclasses.field(default=(), repr=False)

    def logits(self, video: jax.Array | np.ndarray) -> jax.Array:
        """Equation (1).

        Args:
          video: ``[B, T, H, W, 3]``, RGB; uint8, or floating point in [-1, 1].

        Returns:
          float32 ``[B, features]``.

        Raises:
          ValueError: another shape or type, or fewer frames than ``least_frames``.
        """
        if video.ndim != 5 or video.shape[-1] != 3:
            raise ValueError(f"{self.name} judges videos [B, T, H, W, 3], got {list(video.shape)}.")
        if video.dtype != np.uint8 and not jnp.issubdtype(video.dtype, jnp.floating):
            raise ValueError(f"{self.name} judges uint8 or floats in [-1, 1], got {video.dtype}.")
        if video.shape[1] < self.least_frames:
            raise ValueError(
                f"{self.name} needs at least {self.least_frames} frames of a clip, "
                f"got {video.shape[1]}."
            )
        return _apply(self.network, _split(video), self.params, self.prepare(video))

    def check(self) -> bool:
        """Compares the logits of a clip drawn by rule with the stored ones.

        Returns:
          False if none are stored for these weights, else True.

        Raises:
          ValueError: they differ.
        """
        if not self.answer:
            return False
        found = np.asarray(self.logits(waves(self.least_frames)))[0, :KNOWN]
        wanted = np.asarray(self.answer)
        worst = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        if not worst <= NEAR:
            raise ValueError(
                f"{self.name} of the weights {self.sha256[:16]}... gives other logits than it "
                f"should: they differ by {worst:.1e} of the largest (at most {NEAR:.0e}). The "
                "numbers of this installation are not those of the network; do not report them."
            )
        return True


def waves(frames: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A clip drawn by rule, a grating behind a moving disc: uint8 ``[1, T, H, W, 3]``."""
    t, y, x, c = np.ogrid[:frames, :height, :width, :3]
    behind = np.sin(0.13 * x + 0.05 * y * (1 + c) - 0.3 * t)
    before = np.cos(0.4 * (x - y) + 0.7 * t + 2 * c)
    disc = np.hypot(x - (0.2 * width + 4.0 * t), y - (0.5 * height + 1.5 * t)) < 0.25 * height
    values = np.where(disc, 0.9 * before, 0.6 * behind)
    return np.rint(127.5 + 127.5 * values).astype(np.uint8)[None]


def resize(video: jax.Array, height: int, width: int) -> jax.Array:
    """Bilinear, half-pixel centres, WITHOUT antialiasing: ``[B, T, H, W, C]``, float32.

    What ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`` computes.
    """
    if video.shape[2:4] == (height, width):
        return video
    shape = (*video.shape[:2], height, width, video.shape[-1])
    return jax.image.resize(video, shape, "bilinear", antialias=False)
