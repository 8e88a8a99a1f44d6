"""The train state: everything a run needs to go on, and nothing else.

    ema <- d ema + (1 - d) params,          model = merge(params, ema)                  (1)

Slots and EMA exist for the trainable leaves of the stage only.  Where EMA is on, the EMA *is* the
model: export, statistics, evaluation and the next stage start from (1).
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from pv_vae_jax.core import trees
from pv_vae_jax.training import optimizers
from pv_vae_jax.training.stages import Stage


@flax.struct.dataclass
class TrainState:
    """See the module's docstring.

    Attributes:
      step: updates asked for in this stage, also its position in the data; int32.
      params: all parameters.
      ema: moving average of the trainable ones; empty if EMA is off.
      slots: optimiser state of the trainable ones.
      skipped: updates skipped because the gradient was not finite; int32.
      skipped_in_row: how many of them are the last ones; int32.
      latent_mean: per channel ``[c]``, by which latents are normalised.
      latent_std: likewise.
      adversary: the discriminator's side (training/adversary.py); empty in a stage without a GAN.
    """

    step: jax.Array
    params: trees.Tree
    ema: trees.Tree
    slots: Any
    skipped: jax.Array
    skipped_in_row: jax.Array
    latent_mean: jax.Array
    latent_std: jax.Array
    adversary: Any = flax.struct.field(default_factory=dict)


def start(
    params: trees.Tree, latent_mean, latent_std, stage: Stage, adversary: Any = None
) -> TrainState:
    """The state at the first step of a stage."""
    trainable, _ = trees.partition(params, stage.trainable)
    return TrainState(
        step=jnp.int32(0),
        params=params,
        ema=jax.tree.map(jnp.copy, trainable) if stage.optimizer.ema else {},
        slots=optimizers.direction(stage.optimizer).init(trainable),
        skipped=jnp.int32(0),
        skipped_in_row=jnp.int32(0),
        latent_mean=jnp.asarray(latent_mean, jnp.float32),
        latent_std=jnp.asarray(latent_std, jnp.float32),
        adversary=adversary or {},
    )


def model_params(state: TrainState) -> trees.Tree:
    """The parameters that are the model, equation (1)."""
    return trees.merge(state.params, state.ema)
