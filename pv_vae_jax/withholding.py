"""Which groups of frames the encoder does not see: the paper's first idea.

    k ~ Uniform{0, ..., floor((G - 1) r)}                                             (1)

The last ``k`` of ``G`` groups are withheld; group 0 never is; ``r`` is the maximum dropping ratio
(1.0 in the paper).  There are two exact ways to train with it (docs/design.md):

    mask    a k for each example; the whole clip is encoded and withheld latents are replaced
    slice   one k for an update, the same on every host; only the observed frames are encoded

For a causal encoder both give the same value and gradient.
Reference: arXiv 2605.02134, section 3.1.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import dims, rng

KINDS = ("suffix", "none")
WAYS = ("mask", "slice")


@dataclasses.dataclass(frozen=True)
class Withholding:
    """What is withheld (``kind``), how much at most (``ratio``), and the way it is computed."""

    kind: str = "suffix"
    ratio: float = 1.0
    way: str = "mask"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"withholding.kind is one of {', '.join(KINDS)}; got {self.kind!r}.")
        if self.way not in WAYS:
            raise ValueError(f"withholding.way is one of {', '.join(WAYS)}; got {self.way!r}.")
        if not 0.0 <= self.ratio <= 1.0:
            raise ValueError(f"withholding.ratio is in [0, 1]; got {self.ratio}.")

    def most(self, groups: int) -> int:
        """The largest k, equation (1)."""
        return 0 if self.kind == "none" else math.floor((groups - 1) * self.ratio + 1e-9)

    def of_example(self, seed: int, example: int, groups: int) -> int:
        """The k of one example (``mask``): a function of (seed, global example index)."""
        return int(rng.host_generator(seed, "withholding", example).integers(self.most(groups) + 1))

    def of_step(self, seed: int, step: int, groups: int) -> int:
        """The k of one update (``slice``): a function of (seed, step), the same on all hosts."""
        return int(
            rng.host_generator(seed, "withholding/step", step).integers(self.most(groups) + 1)
        )


def observed_groups(withheld: np.ndarray, groups: int) -> np.ndarray:
    """``k [B]`` to the mask of observed groups, bool ``[B, G]``."""
    return np.arange(groups)[None, :] < groups - np.asarray(withheld)[:, None]


def observed_frames(observed: jax.Array, temporal: int) -> jax.Array:
    """The mask of observed groups ``[B, G]`` to that of frames, bool ``[B, T]``."""
    frames = dims.frames_of(observed.shape[1], temporal)
    return jnp.take(observed, dims.group_of_frame(frames, temporal), axis=1)
