"""AdamW against NumPy: clipping, moments, decay of kernels alone, the schedule of the stage."""

import jax
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.training import optimizers
from pv_vae_jax.training.optimizers import Optimizer

STEPS = 10


def by_hand(optimizer, params, gradients):
    """Decoupled AdamW (arXiv 1711.05101) of flat float64 parameters."""
    params = {path: leaf.astype(np.float64) for path, leaf in params.items()}
    first, second = ({path: 0 * leaf for path, leaf in params.items()} for _ in range(2))
    for step, gradient in enumerate(gradients):
        norm = np.sqrt(sum((leaf.astype(np.float64) ** 2).sum() for leaf in gradient.values()))
        scale = min(1.0, optimizer.clip / norm)
        if step < optimizer.warmup:
            rate = optimizer.learning_rate * step / optimizer.warmup
        else:
            turn = np.pi * (step - optimizer.warmup) / (STEPS - optimizer.warmup)
            share = optimizer.final + (1 - optimizer.final) * (1 + np.cos(turn)) / 2
            rate = optimizer.learning_rate * share
        for path, leaf in gradient.items():
            g = scale * leaf.astype(np.float64)
            first[path] = optimizer.b1 * first[path] + (1 - optimizer.b1) * g
            second[path] = optimizer.b2 * second[path] + (1 - optimizer.b2) * g**2
            mean = first[path] / (1 - optimizer.b1 ** (step + 1))
            square = second[path] / (1 - optimizer.b2 ** (step + 1))
            move = mean / (np.sqrt(square) + 1e-8)
            if path.endswith("kernel"):
                move = move + optimizer.weight_decay * params[path]
            params[path] = params[path] - rate * move
    return params


@pytest.mark.parametrize("clip", [0.05, 1e3])
def test_updates_are_those_of_adamw_with_the_schedule(clip):
    optimizer = Optimizer(
        learning_rate=1e-2, warmup=2, final=0.1, b1=0.8, b2=0.9, weight_decay=0.3, clip=clip
    )
    random = np.random.default_rng(0)
    shapes = {"decoder/kernel": (3, 4), "decoder/bias": (4,), "norm/scale": (3,)}

    def drawn():
        return {p: random.standard_normal(s).astype(np.float32) for p, s in shapes.items()}

    params, gradients = drawn(), [drawn() for _ in range(5)]
    tree = trees.unflatten(params)
    slots = optimizers.direction(optimizer).init(tree)
    update = jax.jit(optimizers.update, static_argnums=(0, 1))
    for step, gradient in enumerate(gradients):
        tree, slots, _, rate = update(
            optimizer, STEPS, step, trees.unflatten(gradient), slots, tree
        )
    assert 0 < float(rate) < 1e-2  # beyond the warm-up
    for path, expected in by_hand(optimizer, params, gradients).items():
        np.testing.assert_allclose(trees.flatten(tree)[path], expected, rtol=2e-5, atol=1e-6)
