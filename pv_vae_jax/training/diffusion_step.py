"""One update of a generator: the loss of its flow on latents, then update.py.

    z      = (mu + exp(logvar / 2) noise' - mean) / std,   or  (mu - mean) / std           (1)
    x_t, v = path(z, noise, t)                             losses/rectified_flow.py        (2)
    L      = mean_b (network(x_t, t, label) - v)^2                                         (3)

``mu`` and ``logvar`` come with the batch, or the frozen encoder computes them here.  Times, noise
and dropped labels have streams of their own: a change of one leaves the others as they were.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from pv_vae_jax.core import pixels, rng, trees
from pv_vae_jax.data.batch import Batch, LatentBatch
from pv_vae_jax.interface import Posterior
from pv_vae_jax.losses import pixel_terms, rectified_flow
from pv_vae_jax.models.latte import Latte
from pv_vae_jax.training import update
from pv_vae_jax.training.generator_stages import GeneratorStage
from pv_vae_jax.training.state import TrainState

PARTS = 4  # of [0, 1], whose losses are told apart


def posterior(tokenizer: nn.Module | None, encoder: Any, batch: Batch | LatentBatch) -> Posterior:
    """The posterior of a batch's clips, float32 ``[B, G, h, w, c]``, a constant of the gradient."""
    if isinstance(batch, LatentBatch):
        return Posterior(batch.mean.astype(jnp.float32), batch.logvar.astype(jnp.float32))
    with jax.named_scope("tokenizer"):
        video = pixels.to_float(batch.video)
        found = tokenizer.apply({"params": encoder}, video, method="posterior")
    return jax.lax.stop_gradient(found)


def latents(
    stage: GeneratorStage, seed: int, state: TrainState, found: Posterior, index: jax.Array
) -> jax.Array:
    """Equation (1): normalised latents."""
    z = found.mean
    if stage.flow.latents == "sample":
        key = rng.step_key(seed, f"{stage.name}/latent", state.step)
        z = found.sample(rng.latent_noise(key, index, z.shape[1], z.shape[2:]))
    mean, std = (v.reshape(1, 1, 1, 1, -1) for v in (state.latent_mean, state.latent_std))
    return (z - mean) / std


def flow_loss(
    module: Latte, params: Any, z: jax.Array, noise: jax.Array, time: jax.Array,
    label: jax.Array | None,
) -> tuple[jax.Array, pixel_terms.Report]:  # fmt: skip
    """Equations (2) and (3).

    Args:
      module: the network.
      params: its parameters.
      z: normalised latents ``[B, G, h, w, c]``.
      noise: of their shape.
      time: ``[B]`` in [0, 1].
      label: ``[B]``, or None for an unconditional network.

    Returns:
      The loss, a scalar; and it, in all and for each quarter of the times, as (sum, count).
    """
    x, velocity = rectified_flow.path(z, noise, time)
    losses = rectified_flow.loss(module.apply({"params": params}, x, time, label), velocity)
    report = {"total": (jnp.mean(losses), jnp.float32(1.0))}
    for part in range(PARTS):
        low, high = part / PARTS, (part + 1) / PARTS
        inside = (low <= time) & ((time < high) | (part == PARTS - 1))
        name = f"velocity/{low:.2f}-{high:.2f}"
        report[name] = (jnp.sum(losses * inside), jnp.sum(inside, dtype=jnp.float32))
    return jnp.mean(losses), report


def train_step(
    module: Latte, tokenizer: nn.Module | None, stage: GeneratorStage, seed: int,
    state: TrainState, batch: Batch | LatentBatch, encoder: Any = None,
) -> tuple[TrainState, pixel_terms.Report]:  # fmt: skip
    """One update; a pure function of ``state`` and ``batch``.

    Args:
      module: the network that is trained.
      tokenizer: the video VAE, where the batch is of clips.
      stage: how.
      seed: of the run.
      state: before the update.
      batch: the global batch, of clips or of cached latents.
      encoder: parameters of the tokenizer's encoder, where the batch is of clips.

    Returns:
      The state after it, and a report, each value as (sum, count).
    """
    flow = stage.flow
    trainable, frozen = trees.partition(state.params, stage.trainable)
    key = {
        name: rng.step_key(seed, f"{stage.name}/{name}", state.step)
        for name in ("time", "noise", "label")
    }

    def micro_batch(batch):
        found = posterior(tokenizer, encoder, batch)
        z = latents(stage, seed, state, found, batch.index)
        noise = rng.latent_noise(key["noise"], batch.index, z.shape[1], z.shape[2:])
        time = rectified_flow.times(
            key["time"], batch.index, flow.times, flow.mean, flow.std, flow.shift
        )
        label = None
        if module.classes:
            label = rectified_flow.dropped_labels(
                key["label"], batch.index, batch.label, module.classes, flow.drop
            )

        def loss(trainable):
            params = trees.merge(frozen, trainable)
            with jax.named_scope("generator"):
                return flow_loss(module, params, z, noise, time, label)

        return jax.grad(loss, has_aux=True)(trainable)

    gradient, report = update.accumulated(micro_batch, batch, stage.optimizer.accumulate)
    new, norms = update.applied(stage, state, gradient)
    return new, report | norms


def compiled(
    module: Latte, tokenizer: nn.Module | None, stage: GeneratorStage, seed: int, state: Any,
    batch: jax.sharding.NamedSharding,
):  # fmt: skip
    """:func:`train_step` as :func:`update.compiled` has it.

    Args:
      module: as of :func:`train_step`, like ``tokenizer``, ``stage`` and ``seed``.
      tokenizer: tokenizer.
      stage: stage.
      seed: seed.
      state: shardings of the state.
      batch: sharding of the batch.

    Returns:
      (state, batch, encoder) to (state, report).
    """
    step = functools.partial(train_step, module, tokenizer, stage, seed)
    return update.compiled(step, state, batch)
