"""The law of k, how much the encoder does not see: the paper's first idea.

    k ~ Uniform{0, ..., floor(N r)}         "uniform", the paper's (N = G - 1)              (1)
    k = floor(N r)                          "fixed"
    r(s) = first + (r - first) min(s / ramp, 1)     at step s, with a ramp                  (2)

``N`` counts what can be withheld: runs of ``group`` latent steps (suffix, infill), cells of a
latent step (tube), or cells of all such runs (block, cells); masks.py says where they lie.  ``r``
is the maximum dropping ratio (1.0 in the paper).  Where only withheld pixels are in the loss, k is
at least 1, in both laws.  There are two exact ways to train with it (docs/design.md):

    mask    a k for each example; withheld pixels and withheld latents are replaced
    slice   one k for an update, the same on every host; only the observed frames are encoded

For a withheld suffix and a causal encoder both give the same value and gradient; ``slice`` exists
for nothing else.  Reference: arXiv 2605.02134, section 3.1.
"""

import dataclasses
import math

import numpy as np

from pv_vae_jax.core import fields, rng
from pv_vae_jax.withholding import masks

WAYS = ("mask", "slice")
LAWS = ("uniform", "fixed")
LOSSES = ("all", "withheld")
SLICED = ("none", "suffix")


@dataclasses.dataclass(frozen=True)
class Withholding:
    """What is withheld, how much of it, and how that is computed (docs/withholding.md).

    Attributes:
      kind: "suffix", "infill", "tube", "block", "cells" or "none" (masks.py).
      ratio: maximum dropping ratio r, in [0, 1].
      way: "mask" or "slice".
      law: "uniform" or "fixed", equation (1).
      ratio_first: the ratio at step 0 of a ramp.
      ramp: steps until the ratio is r, equation (2); 0 without a ramp.
      group: latent steps that are withheld together.
      loss: "all" pixels, or the "withheld" ones alone (objective.py).
    """

    kind: str = "suffix"
    ratio: float = 1.0
    way: str = "mask"
    law: str = "uniform"
    ratio_first: float = 0.0
    ramp: int = 0
    group: int = 1
    loss: str = "all"

    def __post_init__(self):
        known = {"kind": masks.KINDS, "way": WAYS, "law": LAWS, "loss": LOSSES}
        fields.check(vars(self), known, "withholding.")
        fields.within(vars(self), {"ratio": "[0, 1]", "ratio_first": "[0, 1]"}, "withholding.")
        fields.at_least(vars(self), {"ramp": 0, "group": 1}, "withholding.")
        if self.way == "slice" and self.kind not in SLICED:
            raise ValueError(
                f"withholding.way is slice, which cuts the end of a clip off, but the kind "
                f"{self.kind} withholds other places: set withholding.way = 'mask'."
            )
        if self.kind == "tube" and self.group > 1:
            raise ValueError(
                f"withholding.group is {self.group}, but a tube runs through all latent steps "
                "after the first: set it to 1."
            )
        if self.loss == "withheld" and (self.kind == "none" or self.ratio == 0):
            raise ValueError(
                "withholding.loss counts withheld pixels alone, but kind "
                f"{self.kind} with ratio {self.ratio} withholds none: set loss = 'all'."
            )

    def check(self, groups: int, height: int, width: int) -> None:
        """Raises ValueError if a clip of ``[groups, height, width]`` latents has nothing to give.

        A still (1 group) has nothing to withhold, and that is no error unless the loss wants it.
        """
        asked = self.kind != "none" and self.ratio > 0
        wanted = groups > 1 or self.loss == "withheld"
        if asked and wanted and masks.units(self.kind, self.group, (groups, height, width)) == 0:
            last = "the first and the last" if self.kind == "infill" else "the first"
            raise ValueError(
                f"withholding.kind {self.kind} withholds runs of {self.group} latent steps, but a "
                f"clip of {groups} has no such run besides {last}: take longer clips, a smaller "
                "withholding.group, or kind = 'none'."
            )

    def check_encoder(self, causal: bool, name: str) -> None:
        """Raises ValueError if the encoder of model ``name`` would see what is withheld."""
        withholds = self.kind != "none" and self.ratio > 0
        if withholds and self.way == "mask" and not causal:
            raise ValueError(
                f"withholding.way is mask, which encodes whole clips, but in {name} latents depend "
                "on later frames: set withholding.way = 'slice', which encodes the observed frames "
                "alone."
            )

    def ratio_at(self, step: int) -> float:
        """Equation (2)."""
        if step >= self.ramp:
            return self.ratio
        return self.ratio_first + (self.ratio - self.ratio_first) * step / self.ramp

    def range_of_k(self, units: int, step: int) -> tuple[int, int]:
        """The least and the largest k of N ``units`` at a step, equation (1)."""
        most = math.floor(units * self.ratio_at(step) + 1e-9)
        least = 0
        if self.loss == "withheld":
            least, most = min(1, units), min(max(1, most), units)
        return (most if self.law == "fixed" else least), most

    def observed_at(
        self, seed: int, step: int, example: int, grid: tuple[int, int, int]
    ) -> np.ndarray:
        """The mask of one example, a function of (seed, step, global example index).

        With ``slice`` it is a function of (seed, step), the same on all hosts.

        Args:
          seed: of the data.
          step: of the stage.
          example: global index.
          grid: (G, h, w) of the clip.

        Returns:
          bool ``[G, h, w]``, or ``[G, 1, 1]`` where whole latent steps are withheld.
        """
        if self.way == "slice":
            random = rng.host_generator(seed, "withholding/step", step)
        else:
            random = rng.host_generator(seed, "withholding", example)
        units = masks.units(self.kind, self.group, grid)
        least, most = self.range_of_k(units, step)
        k = least + int(random.integers(most - least + 1))
        return masks.draw(random, self.kind, k, self.group, grid)
