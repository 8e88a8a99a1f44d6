"""Stages of a generator's training are data, too (stages.py): what differs from a video VAE's.

The paper's is one: 250,000 updates, learning rate 1e-4, 64 clips (arXiv 2605.02134, section 4).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pv_vae_jax.core import fields
from pv_vae_jax.losses import rectified_flow
from pv_vae_jax.training import stages
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import StageData

LATENTS = ("sample", "mean")


@dataclasses.dataclass(frozen=True)
class Flow:
    """The loss of a stage; see losses/rectified_flow.py.

    Attributes:
      times: "uniform" or "logit_normal".
      mean: of logit-normal times; more is more data.
      std: of them.
      shift: of the times towards noise, 1 for none.
      drop: probability that a label is dropped, for classifier-free guidance.
      latents: "sample" of the posterior, or its "mean".
    """

    times: str = "uniform"
    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0
    drop: float = 0.1
    latents: str = "sample"

    def __post_init__(self):
        fields.check(vars(self), {"latents": LATENTS, "times": rectified_flow.KINDS}, "flow.")
        if not self.std > 0:
            raise ValueError(f"flow.std is positive; got {self.std}.")
        rectified_flow.check_shift(self.shift)
        fields.within(vars(self), {"drop": "[0, 1]"}, "flow.")


@dataclasses.dataclass(frozen=True)
class GeneratorStage:
    """One stage.

    Attributes:
      name: also the name of its checkpoints' folder.
      steps: updates.
      data: form of the clips; one bucket.
      flow: see :class:`Flow`.
      trainable: regular expression on parameter paths.
      optimizer: see stages.py.
      init_from: "" for the stage before this one (fresh weights for the first), or the path of a
        generator's export, or the folder of another run.
    """

    name: str
    steps: int
    data: StageData
    flow: Flow
    trainable: str
    optimizer: Optimizer
    init_from: str = ""

    def __post_init__(self):
        if len(self.data.buckets) != 1:
            raise ValueError(f"data.buckets: a generator has one; got {len(self.data.buckets)}.")


def stages_of(config: Mapping[str, Any]) -> tuple[GeneratorStage, ...]:
    """The stages that ``config.run`` names, in its order.

    Raises:
      ValueError: as of stages.py.
    """
    return stages.named(config, _stage)


def check_guidance(config: Mapping[str, Any], guidance: float) -> None:
    """Raises ValueError for guidance by a generator that never saw a clip without its label.

    Args:
      config: of the run.
      guidance: the scale, 1 for none.
    """
    stages = [config["stages"][name] for name in config["run"]]
    if guidance != 1.0 and not any(s["flow"]["drop"] or s["init_from"] for s in stages):
        raise ValueError(
            f"guidance = {guidance} mixes in a velocity without label, which flow.drop = 0 did not "
            "train: give 1, or train with stages.NAME.flow.drop above 0."
        )


def _stage(name: str, values: Mapping[str, Any]) -> GeneratorStage:
    return GeneratorStage(
        name=name,
        steps=values["steps"],
        data=StageData(**values["data"]),
        flow=Flow(**values["flow"]),
        trainable=values["trainable"],
        optimizer=Optimizer(**values["optimizer"]),
        init_from=values["init_from"],
    )
