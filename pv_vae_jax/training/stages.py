"""Stages are data: image pretraining, predictive training, decoder fine-tuning are values.

The paper's recipe (its table of stages) is a tuple of :class:`Stage`; the loop has no branch on a
stage's name.  ``trainable`` is a regular expression on parameter paths: what it does not match is
frozen, has neither optimiser slots nor EMA, and keeps its bits.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from pv_vae_jax import objective
from pv_vae_jax.core import fields
from pv_vae_jax.data.buckets import Bucket
from pv_vae_jax.losses import adversarial, perceptual
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.withholding import Withholding


@dataclasses.dataclass(frozen=True)
class StageData:
    """The form of a stage's clips.

    Attributes:
      frames: T of every clip, 1 + 4n.
      buckets: (height, width, global batch, weight) of each resolution; the weight is how often a
        bucket comes in one cycle of the schedule.
      strides: frame strides drawn from, uniformly.
      flip: probability of a mirrored clip.
      reversal: probability that a clip runs backwards (the paper's RandomReverse).
    """

    frames: int
    buckets: tuple[tuple[int, int, int, int], ...]
    strides: tuple[int, ...] = (1,)
    flip: float = 0.5
    reversal: float = 0.5

    def __post_init__(self):
        fields.within(vars(self), {"flip": "[0, 1]", "reversal": "[0, 1]"}, "data.")
        fields.at_least(vars(self), {"strides": 1}, "data.")
        if not self.strides or not self.buckets:
            raise ValueError("data.strides and data.buckets name at least one each; got none.")
        for bucket in self.buckets:
            if len(bucket) != 4:
                raise ValueError(
                    f"data.buckets are (height, width, global batch, weight) each; got {bucket}."
                )
            Bucket(*bucket)


@dataclasses.dataclass(frozen=True)
class Perceptual:
    """LPIPS of a stage.

    Attributes:
      backbone: "vgg16" or "alexnet".
      frames: how many frames of each clip are looked at, drawn anew each step; 0 for all.
    """

    backbone: str = "vgg16"
    frames: int = 0

    def __post_init__(self):
        fields.check(vars(self), {"backbone": perceptual.NETWORKS}, "perceptual.")
        fields.at_least(vars(self), {"frames": 0}, "perceptual.")


@dataclasses.dataclass(frozen=True)
class Adversarial:
    """The GAN of a stage; the form of its discriminator is the run's (``config.discriminator``).

    Attributes:
      start: first step with the GAN.
      loss: "hinge" or "non_saturating".
      balance: "adaptive" (objective.py, equation (2)) or "fixed".
      see_withheld: whether the discriminator is shown predicted frames.
      lecam: weight of the LeCam regulariser; 0 without.
      lecam_decay: of its averages of the logits.
      r1: weight of the penalty on the gradient at real clips; 0 without.
      r1_every: every how many updates it is applied, times this number.
      optimizer: of the discriminator; its ``ema`` and ``accumulate`` have no meaning.
    """

    start: int = 0
    loss: str = "hinge"
    balance: str = "adaptive"
    see_withheld: bool = True
    lecam: float = 0.0
    lecam_decay: float = 0.99
    r1: float = 0.0
    r1_every: int = 16
    optimizer: Optimizer = Optimizer(b1=0.5, b2=0.9)

    def __post_init__(self):
        known = {"loss": adversarial.KINDS, "balance": objective.BALANCES}
        fields.check(vars(self), known, "adversarial.")
        least = {"start": 0, "lecam": 0, "r1": 0, "r1_every": 1}
        fields.at_least(vars(self), least, "adversarial.")
        fields.within(vars(self), {"lecam_decay": "[0, 1)"}, "adversarial.")

    def runs_at(self, step: int) -> bool:
        """Whether the GAN is on at a step."""
        return step >= self.start

    def penalises_at(self, step: int) -> bool:
        """Whether the update of a step has the R1 penalty."""
        return self.r1 > 0 and self.runs_at(step) and (step - self.start) % self.r1_every == 0


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of training; see the module's docstring.

    Attributes:
      name: also the name of its checkpoints' folder.
      steps: updates.
      data: form of the clips.
      withholding: which groups the encoder does not see.
      weights: weight of each term that is not zero (objective.py).
      trainable: regular expression on parameter paths.
      optimizer: see :class:`Optimizer`.
      init_from: "" for the stage before this one (fresh weights for the first), or the path of an
        export, or the folder of another run.
      perceptual: see :class:`Perceptual`; has a part where ``weights`` has "lpips".
      adversarial: see :class:`Adversarial`; has a part where ``weights`` has "gan".
    """

    name: str
    steps: int
    data: StageData
    withholding: Withholding
    weights: dict[str, float]
    trainable: str
    optimizer: Optimizer
    init_from: str = ""
    perceptual: Perceptual = Perceptual()
    adversarial: Adversarial = Adversarial()


def named(
    config: Mapping[str, Any], make: Callable[[str, Mapping[str, Any]], Any]
) -> tuple[Any, ...]:
    """``make(name, values)`` of each stage that ``config.run`` names, in its order.

    Raises:
      ValueError: a name without a stage, a repeated name, or a value that a stage refuses; the
        message begins with the key.
    """
    names, known = tuple(config["run"]), config["stages"]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"config.run names each stage to run once, in order; got {names}.")
    found = []
    for name in names:
        if name not in known:
            told = ", ".join(sorted(known))
            raise ValueError(f"config.run names {name!r}; config.stages has: {told}.")
        try:
            fields.at_least(known[name], {"steps": 1})
            re.compile(known[name]["trainable"])
            found.append(make(name, known[name]))
        except re.error as error:
            raise ValueError(
                f"config.stages.{name}.trainable is a regular expression on parameter paths; got "
                f"{known[name]['trainable']!r} ({error})."
            ) from error
        except ValueError as error:
            raise ValueError(f"config.stages.{name}: {error}") from error
    return tuple(found)


def stages_of(config: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages of a video VAE's training; ValueError as :func:`named`."""
    return named(config, _stage)


def _adversarial(values: Mapping[str, Any]) -> Adversarial:
    optimizer = Optimizer(**values["optimizer"], ema=0.0)
    return Adversarial(**{**values, "optimizer": optimizer})


def _stage(name: str, values: Mapping[str, Any]) -> Stage:
    return Stage(
        name=name,
        steps=values["steps"],
        data=StageData(**values["data"]),
        withholding=Withholding(**values["withholding"]),
        weights=objective.check_weights(values["weights"]),
        trainable=values["trainable"],
        optimizer=Optimizer(**values["optimizer"]),
        init_from=values["init_from"],
        perceptual=Perceptual(**values["perceptual"]),
        adversarial=_adversarial(values["adversarial"]),
    )
