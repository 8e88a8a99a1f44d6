"""What an update does with a gradient, and how it is compiled, whatever is trained.

    g = mean over micro-batches of dL/d trainable,    params <- params - lr(step) direction(g)   (1)

If any element of ``g``, reduced over all devices, is not finite, parameters, slots and EMA keep
their bits, the skip is counted, and the step (with it the position in the data) advances.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pv_vae_jax.core import trees
from pv_vae_jax.losses import pixel_terms
from pv_vae_jax.sharding import activations
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import optimizers
from pv_vae_jax.training.run import Stage
from pv_vae_jax.training.state import TrainState


def accumulated(one: Callable, batch: Any, parts: int) -> tuple[Any, pixel_terms.Report]:
    """Means of the gradients over ``parts`` micro-batches, and the summed report.

    Args:
      one: a batch to (gradients, report).
      batch: of examples along the first axis of each leaf.
      parts: how many micro-batches.
    """
    if parts == 1:
        return one(batch)
    # Micro-batch j holds the examples j, j + parts, ...: each device keeps its own rows.
    micros = jax.tree.map(
        lambda leaf: jnp.swapaxes(leaf.reshape(-1, parts, *leaf.shape[1:]), 0, 1), batch
    )

    def add(carry, micro):
        return jax.tree.map(jnp.add, carry, one(micro)), None

    first = jax.tree.map(lambda leaf: leaf[0], micros)
    shapes = jax.eval_shape(lambda: one(first))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    (gradients, report), _ = jax.lax.scan(add, zeros, micros)
    return jax.tree.map(lambda leaf: leaf / parts, gradients), report


def applied(
    stage: Stage, state: TrainState, gradient: trees.Tree
) -> tuple[TrainState, pixel_terms.Report]:
    """Equation (1).

    Args:
      stage: whose optimiser.
      state: before the update.
      gradient: of its trainable parameters.

    Returns:
      The state after it; the norms of gradient, update and parameters, the learning rate and
      whether it was skipped, each as (sum, count).
    """
    trainable, _ = trees.partition(state.params, stage.trainable)
    norm = optax.tree.norm(gradient)
    finite = jnp.isfinite(norm)
    with jax.named_scope("optimiser"):
        moved, slots, updates, learning_rate = optimizers.update(
            stage.optimizer, stage.steps, state.step, gradient, state.slots, trainable
        )
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
    return new, {
        "gradient_norm": (norm, one),
        "update_norm": (learning_rate * optax.tree.norm(updates), one),
        "parameter_norm": (optax.tree.norm(trainable), one),
        "learning_rate": (jnp.asarray(learning_rate, jnp.float32), one),
        "skipped": (bad.astype(jnp.float32), one),
    }


def compiled(train_step: Callable, state: Any, batch: jax.sharding.NamedSharding) -> Callable:
    """An update under ``jax.jit`` with explicit shardings, the state donated.

    Args:
      train_step: (state, batch, constants) to (state, report).
      state: sharding of the state, or a tree of one for each leaf; the new state has the same.
      batch: sharding of the batch over ``data``; its mesh is that of the program.

    Returns:
      A function like ``train_step``; constants and report are whole on every device.
    """
    whole = meshes.replicated(batch.mesh)

    def step(state, batch_, constants):
        with activations.pinned(batch.mesh):
            return train_step(state, batch_, constants)

    return jax.jit(
        step,
        in_shardings=(state, batch, whole),
        out_shardings=(state, whole),
        donate_argnums=0,
    )
