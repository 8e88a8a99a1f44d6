"""Training of a probe: AdamW, so many steps, so many clips each, the same for every model.

    x      = (features - mean) / std,       by channel, over the training clips             (1)
    batch  = consecutive clips of permutation(seed, epoch)                                  (2)
    lr(s)  = linear warm-up over a tenth of the steps, then a cosine to zero

A seed decides the decoder's first weights and (2): two models with one seed differ in what they are
fed (and in the projection's first weights, where C differs), so that differences are paired.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm

from pv_vae_jax.analysis import probe_network
from pv_vae_jax.analysis.probe_network import Probe
from pv_vae_jax.core import fields, rng, trees

Arrays = Mapping[str, np.ndarray]
Loss = Callable[[jax.Array, Mapping[str, jax.Array]], jax.Array]


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a probe may cost.

    Attributes:
      width: channels of its blocks.
      blocks: how many.
      fine: channels of its last block.
      steps: updates.
      batch: clips of an update.
      learning_rate: the peak.
      weight_decay: AdamW's.
      clip: largest global norm of the gradient.
      seeds: probes of each task.
    """

    width: int = 48
    blocks: int = 2
    fine: int = 16
    steps: int = 400
    batch: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    seeds: int = 3

    def __post_init__(self):
        least = dict.fromkeys(("width", "blocks", "fine", "steps", "batch", "seeds"), 1)
        fields.at_least(vars(self), least, "a probe's ")


BUDGETS = {
    "small": Budget(),
    "long": Budget(
        steps=2000, batch=8, seeds=1
    ),  # of small clips, where seeds are those of a study
    "full": Budget(width=256, blocks=4, fine=64, steps=10000, batch=8, learning_rate=1e-3),
}


def optimizer(budget: Budget) -> optax.GradientTransformation:
    """AdamW with the schedule above."""
    warmup = max(1, budget.steps // 10)
    rate = optax.warmup_cosine_decay_schedule(
        0.0, budget.learning_rate, warmup, max(warmup + 1, budget.steps)
    )
    return optax.chain(
        optax.clip_by_global_norm(budget.clip),
        optax.adamw(rate, weight_decay=budget.weight_decay),
    )


def batches(count: int, size: int, seed: int) -> Iterator[np.ndarray]:
    """Equation (2) without end: int ``[size]`` each; of fewer clips some come twice."""
    random, waiting = rng.host_generator(seed, "probe batches"), np.empty(0, int)
    while True:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, random.permutation(count)])
        yield waiting[:size]
        waiting = waiting[size:]


class Training:
    """A probe of one task on the features of one model; one program for all seeds.

    Attributes:
      probe: the network.
      budget: what it may cost.
    """

    def __init__(self, probe: Probe, loss: Loss, budget: Budget, features: np.ndarray):
        """Finds (1) of the training features ``[N, G, h, w, C]``."""
        self.probe, self.budget, self._features = probe, budget, features
        self._mean, self._std = probe_network.moments(features)
        self._optimizer = optimizer(budget)

        def step(params, slots, features, targets):
            def of(params):
                return loss(probe.apply({"params": params}, features), targets)

            value, gradient = jax.value_and_grad(of)(params)
            updates, slots = self._optimizer.update(gradient, slots, params)
            return optax.apply_updates(params, updates), slots, value

        self._step = jax.jit(step, donate_argnums=(0, 1))
        self._apply = jax.jit(lambda params, x: probe.apply({"params": params}, x))
        self._initial = jax.jit(lambda key: probe_network.initial(probe, key, features.shape[1:]))

    def trained(self, targets: Arrays, seed: int, title: str = "") -> trees.Tree:
        """The parameters of a seed after all steps.

        Args:
          targets: arrays with a first axis of N.
          seed: see above.
          title: of the progress bar.

        Raises:
          ValueError: the loss is not finite.
        """
        params = self._initial(rng.stream_key(seed, "probe"))
        slots = self._optimizer.init(params)
        order = batches(len(self._features), self.budget.batch, seed)
        value = jnp.zeros(())
        for _ in tqdm.trange(self.budget.steps, desc=title, unit="step", disable=None):
            rows = next(order)
            own = {name: array[rows] for name, array in targets.items()}
            params, slots, value = self._step(
                params, slots, self._standard(self._features[rows]), own
            )
        if not np.isfinite(value):
            raise ValueError(
                f"{title or 'a probe'}: the loss is {float(value)} after {self.budget.steps} "
                f"steps: lower its learning rate ({self.budget.learning_rate})."
            )
        return params

    def applied(
        self, params: trees.Tree, features: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(rows, results float32 ``[n, T, H', W', K]``) of features, in order, by batches."""
        count, size = len(features), self.budget.batch
        for start in range(0, count, size):
            rows = np.minimum(np.arange(start, start + size), count - 1)
            found = self._apply(params, self._standard(features[rows]))
            yield rows[: count - start], np.asarray(found)[: count - start]

    def _standard(self, features: np.ndarray) -> np.ndarray:
        """Equation (1)."""
        return (features - self._mean) / self._std

    def parameters(self) -> dict[str, int]:
        """How many, by part; allocates nothing."""
        shapes: Any = jax.eval_shape(self._initial, jax.random.key(0))
        return probe_network.budget(shapes)
