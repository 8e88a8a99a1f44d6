"""One update of a video VAE.

    g = mean over micro-batches of dL/d trainable,    params <- params - lr(step) direction(g)

If any element of ``g``, reduced over all devices, is not finite, parameters, slots and EMA keep
their bits, the skip is counted, and the step (with it the position in the data) advances.
Parameters that the stage does not train are constants of the gradient: no slots, no EMA, no
backward pass through a frozen encoder.
"""

import functools

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from pv_vae_jax import objective
from pv_vae_jax.core import rng, trees
from pv_vae_jax.data.batch import Batch
from pv_vae_jax.training import optimizers
from pv_vae_jax.training.stages import Stage
from pv_vae_jax.training.state import TrainState


def _add(left, right):
    return jax.tree.map(jnp.add, left, right)


def _gradient(module, stage: Stage, seed: int, withheld: int, state: TrainState, batch: Batch):
    """Mean gradient of the trainable leaves over the micro-batches, and the summed report."""
    trainable, frozen = trees.partition(state.params, stage.trainable)
    keys = [
        rng.step_key(seed, f"{stage.name}/{name}", state.step) for name in ("latent", "padding")
    ]

    def loss(trainable, micro):
        params = trees.merge(frozen, trainable)
        return objective.objective(module, params, micro, stage.weights, *keys, withheld=withheld)

    value_and_gradient = jax.value_and_grad(loss, has_aux=True)
    parts = stage.optimizer.accumulate
    if parts == 1:
        (_, report), gradient = value_and_gradient(trainable, batch)
        return trainable, gradient, report
    # Micro-batch j holds the examples j, j + parts, ...: each device keeps its own rows.
    micros = jax.tree.map(
        lambda leaf: jnp.swapaxes(leaf.reshape(-1, parts, *leaf.shape[1:]), 0, 1), batch
    )

    def add_micro(carry, micro):
        (_, report), gradient = value_and_gradient(trainable, micro)
        return _add(carry, (gradient, report)), None

    first = jax.tree.map(lambda leaf: leaf[0], micros)
    shapes = jax.eval_shape(lambda: value_and_gradient(trainable, first))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), (shapes[1], shapes[0][1]))
    (gradient, report), _ = jax.lax.scan(add_micro, zeros, micros)
    return trainable, jax.tree.map(lambda leaf: leaf / parts, gradient), report


def train_step(
    module: nn.Module, stage: Stage, seed: int, withheld: int, state: TrainState, batch: Batch
) -> tuple[TrainState, objective.Report]:
    """One update; a pure function of ``state`` and ``batch``.

    Args:
      module: the video VAE.
      stage: what is trained, and how.
      seed: of the run.
      withheld: groups that are not encoded (``slice``; 0 for ``mask``).
      state: before the update.
      batch: the global batch.

    Returns:
      The state after it, and a report: the terms, the norms of gradient, update and parameters, the
      learning rate, each as (sum, count).
    """
    trainable, gradient, report = _gradient(module, stage, seed, withheld, state, batch)
    norm = optax.tree.norm(gradient)
    finite = jnp.isfinite(norm)
    learning_rate = optimizers.schedule(stage.optimizer, stage.steps)(state.step)
    updates, slots = optimizers.direction(stage.optimizer).update(gradient, state.slots, trainable)
    moved = optimizers.descend(trainable, updates, learning_rate)
    ema = {}
    if stage.optimizer.ema:
        decay = stage.optimizer.ema
        ema = jax.tree.map(lambda e, p: decay * e + (1.0 - decay) * p, state.ema, moved)

    def keep_if_not_finite(new, old):
        return jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)

    bad = 1 - finite.astype(jnp.int32)
    new = state.replace(
        step=state.step + 1,
        params=trees.merge(state.params, keep_if_not_finite(moved, trainable)),
        ema=keep_if_not_finite(ema, state.ema),
        slots=keep_if_not_finite(slots, state.slots),
        skipped=state.skipped + bad,
        skipped_in_row=(state.skipped_in_row + 1) * bad,
    )
    one = jnp.float32(1.0)
    report |= {
        "gradient_norm": (norm, one),
        "update_norm": (learning_rate * optax.tree.norm(updates), one),
        "parameter_norm": (optax.tree.norm(trainable), one),
        "learning_rate": (jnp.asarray(learning_rate, jnp.float32), one),
        "skipped": (bad.astype(jnp.float32), one),
    }
    return new, report


def compiled(module: nn.Module, stage: Stage, seed: int, withheld: int, replicated, over_data):
    """:func:`train_step` under ``jax.jit``, the state donated, with the mesh's shardings."""
    return jax.jit(
        functools.partial(train_step, module, stage, seed, withheld),
        in_shardings=(replicated, over_data),
        out_shardings=(replicated, replicated),
        donate_argnums=0,
    )
