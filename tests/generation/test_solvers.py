"""Solvers reach the exact transport at their order."""

import numpy as np
import pytest

from pv_vae_jax.generation import guidance, solvers
from tests.generation.flows import MEAN, gaussian, noise_of


def slope(errors, steps):
    return np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("shift", [1.0, 2.5])
@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_a_solver_reaches_the_exact_transport_at_its_order(solver, order, shift):
    noise, std = noise_of(0, range(4)), 2.0
    field = guidance.guided_field(gaussian, (MEAN, std), None, 0, 1.0, guidance.ALL)
    steps = [10, 20, 40, 80, 160]
    errors = [
        np.abs(solvers.integrate(field, noise, solvers.grid(n, shift), solver) - MEAN - std * noise)
        for n in steps
    ]
    errors = np.max(errors, axis=(1, 2, 3, 4, 5))
    assert errors[-1] < {1: 0.1, 2: 1e-3}[order]
    assert abs(slope(errors, steps) + order) < 0.1
