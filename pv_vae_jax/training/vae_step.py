"""One update of a video VAE, and of its discriminator.

    g = mean over micro-batches of dL/d trainable,    then update.py

Parameters that the stage does not train are constants of the gradient: no slots, no EMA, no
backward pass through a frozen encoder.  Generator and discriminator (training/adversary.py) both
start from the state before the update and leave each other's bits alone.
"""

import dataclasses
import functools
from typing import Any

import jax
from flax import linen as nn

from pv_vae_jax import objective
from pv_vae_jax.core import pixels, rng, trees
from pv_vae_jax.data.batch import Batch
from pv_vae_jax.losses import pixel_terms
from pv_vae_jax.losses.perceptual import LPIPS
from pv_vae_jax.models.discriminators import Discriminator
from pv_vae_jax.sharding.split import Split
from pv_vae_jax.training import adversary as adversaries
from pv_vae_jax.training import update
from pv_vae_jax.training.stages import Stage
from pv_vae_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class Program:
    """What differs between the programs of a stage.

    Attributes:
      withheld: groups that are not encoded (``slice``; 0 for ``mask``).
      gan: whether the GAN is on.
      penalty: whether this update of the discriminator has the R1 penalty.
    """

    withheld: int = 0
    gan: bool = False
    penalty: bool = False


@dataclasses.dataclass(frozen=True)
class Networks:
    """The modules of a stage: the video VAE, and the discriminator if the stage has a GAN."""

    vae: nn.Module | Split
    discriminator: Discriminator | None = None


def _micro_batch(
    networks: Networks, stage: Stage, seed: int, program: Program, state: TrainState, judge,
    batch: Batch,
):  # fmt: skip
    """(gradients of generator and discriminator, means of the logits), report."""
    trainable, frozen = trees.partition(state.params, stage.trainable)
    key = {
        name: rng.step_key(seed, f"{stage.name}/{name}", state.step)
        for name in ("latent", "padding", "perceptual")
    }
    lpips = gan = None
    if "lpips" in stage.weights:
        lpips = functools.partial(
            judge.of_some,
            key=key["perceptual"],
            examples=batch.index,
            count=stage.perceptual.frames,
        )
    if program.gan:
        gan = adversaries.generator_loss(
            networks.discriminator, state.adversary.variables, stage.adversarial
        )
    gradient, report, cut = objective.value_and_gradient(
        networks.vae,
        trainable,
        frozen,
        batch,
        stage.weights,
        objective.Keys(key["latent"], key["padding"]),
        program.withheld,
        objective.Judges(lpips, gan, stage.adversarial.balance),
        stage.withholding.loss,
    )
    if not program.gan:
        return (gradient, {}, {}), report
    with jax.named_scope("discriminator"):
        against, values, means = adversaries.gradient(
            networks.discriminator, state.adversary, stage.adversarial, program.penalty, cut
        )
    return (gradient, against, means), report | values


def gradients(networks, stage, seed, program, state, judge, batch):
    """Means over the micro-batches, and the summed report."""
    one = functools.partial(_micro_batch, networks, stage, seed, program, state, judge)
    return update.accumulated(one, batch, stage.optimizer.accumulate)


def train_step(
    networks: Networks,
    stage: Stage,
    seed: int,
    program: Program,
    state: TrainState,
    batch: Batch,
    judge: LPIPS | None = None,
) -> tuple[TrainState, pixel_terms.Report]:
    """One update; a pure function of ``state`` and ``batch``.

    Args:
      networks: what is trained.
      stage: how.
      seed: of the run.
      program: which of the stage's programs.
      state: before the update.
      batch: the global batch.
      judge: LPIPS, where the stage has that term.

    Returns:
      The state after it, and a report: the terms, the norms of gradient, update and parameters, the
      learning rate, each as (sum, count).
    """
    if program.gan:
        adversary = adversaries.with_moved_stats(
            networks.discriminator, state.adversary, pixels.to_float(batch.video)
        )
        state = state.replace(adversary=adversary)
    (gradient, against, means), report = gradients(
        networks, stage, seed, program, state, judge, batch
    )
    new, norms = update.applied(stage, state, gradient)
    if program.gan:
        whole = report["gan/zeroed"][0] == 0
        adversary, values = adversaries.update(
            state.adversary, stage, state.step, against, means, whole
        )
        new, report = new.replace(adversary=adversary), report | values
    return new, report | norms


def compiled(
    networks: Networks, stage: Stage, seed: int, program: Program, state: Any,
    batch: jax.sharding.NamedSharding,
):  # fmt: skip
    """:func:`train_step` as :func:`update.compiled` has it.

    Args:
      networks: as of :func:`train_step`, like ``stage``, ``seed`` and ``program``.
      stage: stage.
      seed: seed.
      program: program.
      state: shardings of the state.
      batch: sharding of the batch.

    Returns:
      (state, batch, judge) to (state, report).
    """

    def step(state, batch_, judge):
        judge = judge and judge.on(batch.mesh.shape["data"])
        return train_step(networks, stage, seed, program, state, batch_, judge)

    return update.compiled(step, state, batch)
