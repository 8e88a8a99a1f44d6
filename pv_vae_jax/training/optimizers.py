"""AdamW on the trainable leaves, its learning rate a function of the stage's step.

    lr(s) = peak s / warmup                                          s < warmup         (1)
    lr(s) = peak (f + (1 - f) (1 + cos(pi (s - warmup) / (S - warmup))) / 2)            (2)

``f`` is 0.1 in the paper.  The schedule reads the step of the state, not a count of optax's own: an
update that is skipped because its gradient is not finite still advances the step.
"""

import jax
import optax

from pv_vae_jax.core import precision, trees
from pv_vae_jax.training.stages import Optimizer


def schedule(optimizer: Optimizer, steps: int) -> optax.Schedule:
    """Equations (1) and (2) for a stage of ``steps`` updates."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=optimizer.learning_rate,
        warmup_steps=min(optimizer.warmup, steps - 1),
        decay_steps=steps,
        end_value=optimizer.learning_rate * optimizer.final,
    )


def _kernels(params):
    flat = trees.flatten(params)
    return trees.unflatten({path: path.endswith("kernel") for path in flat})


def direction(optimizer: Optimizer) -> optax.GradientTransformation:
    """Clipping and AdamW without the learning rate; :func:`update` multiplies by ``-lr(step)``."""
    clip = optax.clip_by_global_norm(optimizer.clip) if optimizer.clip else optax.identity()
    return optax.chain(
        clip,
        optax.scale_by_adam(
            b1=optimizer.b1, b2=optimizer.b2, mu_dtype=precision.compute_dtype(optimizer.mu_dtype)
        ),
        optax.add_decayed_weights(optimizer.weight_decay, mask=_kernels),
    )


def update(optimizer: Optimizer, steps: int, step: jax.Array, gradient, slots, params):
    """``params - lr(step) direction(gradient)``, for a stage of ``steps`` updates.

    Returns:
      (parameters, slots, the direction, the learning rate).
    """
    learning_rate = schedule(optimizer, steps)(step)
    updates, slots = direction(optimizer).update(gradient, slots, params)
    moved = jax.tree.map(lambda p, u: p - learning_rate * u, params, updates)
    return moved, slots, updates, learning_rate
