"""AdamW on the trainable leaves, its learning rate a function of the stage's step.

    lr(s) = peak s / warmup                                          s < warmup         (1)
    lr(s) = peak (f + (1 - f) (1 + cos(pi (s - warmup) / (S - warmup))) / 2)            (2)

``f`` is 0.1 in the paper.  The schedule reads the step of the state, not a count of optax's own: an
update that is skipped because its gradient is not finite still advances the step.
"""

import dataclasses

import jax
import optax

from pv_vae_jax.core import fields, precision, trees


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """AdamW with linear warm-up and cosine decay to ``final`` of the peak; clipping; EMA.

    Attributes:
      learning_rate: the peak.
      warmup: steps of linear warm-up.
      final: last learning rate over the peak (a tenth in the paper).
      b1: AdamW's.
      b2: AdamW's.
      weight_decay: AdamW's, on kernels only.
      clip: largest global norm of the gradient; 0 switches clipping off.
      ema: decay of the exponential moving average of the trainable leaves; 0 switches it off.
      accumulate: micro-batches in an update.
      mu_dtype: type in which AdamW's first moment is kept, "float32" or "bfloat16".
    """

    learning_rate: float = 5e-5
    warmup: int = 1000
    final: float = 0.1
    b1: float = 0.9
    b2: float = 0.99
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    accumulate: int = 1
    mu_dtype: str = "float32"

    def __post_init__(self):
        least = {"learning_rate": 0, "warmup": 0, "final": 0, "weight_decay": 0, "clip": 0}
        fields.at_least(vars(self), least | {"accumulate": 1}, "optimizer.")
        fields.within(vars(self), dict.fromkeys(("b1", "b2", "ema"), "[0, 1)"), "optimizer.")
        try:
            precision.compute_dtype(self.mu_dtype)
        except ValueError as error:
            raise ValueError(f"optimizer.mu_dtype: {error}") from error


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
