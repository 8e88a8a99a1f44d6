"""Classifier-free guidance: its formula, its shortcuts."""

import jax
import numpy as np
import pytest

from pv_vae_jax.generation.sampler import Sampling, sample
from tests.generation.flows import LABELS, NULL, SHAPE, network, noise_of, params


def by_numpy(settings, x, labels):
    """Euler with guidance, in float64."""
    weights = {name: np.asarray(leaf, np.float64) for name, leaf in params().items()}
    times = np.arange(settings.steps + 1) / settings.steps
    times = times / (times + settings.shift * (1 - times))

    def velocity(x, t, label):
        hidden = np.tanh(x @ weights["in"] + weights["class"][label] + 3 * t)
        return hidden @ weights["out"]

    for t, later in zip(times[:-1], times[1:], strict=True):
        v = velocity(x, t, labels)
        if settings.guided[0] <= t <= settings.guided[1]:
            null = velocity(x, t, np.full(len(x), NULL))
            v = null + settings.guidance * (v - null)
        x = x + (later - t) * v
    return x


@pytest.mark.parametrize(
    "settings",
    [
        Sampling(steps=7),
        Sampling(steps=7, guidance=3.0),
        Sampling(steps=7, guidance=0.0, shift=3.0),
        Sampling(steps=10, guidance=2.5, guided=(0.3, 0.8)),
    ],
    ids=str,
)
def test_guidance_is_its_formula(settings):
    drawn = sample(network, params(), 7, range(8), SHAPE, LABELS, NULL, settings)
    noise = np.asarray(noise_of(7, range(8)), np.float64).reshape(8, -1)
    expected = by_numpy(settings, noise, np.asarray(LABELS))
    np.testing.assert_allclose(drawn.reshape(8, -1), expected, atol=1e-4)


def test_guidance_of_one_is_none_bit_for_bit_and_evaluates_once():
    traced = []

    def watched(params, x, time, label):
        traced.append(len(x))
        return network(params, x, time, label)

    def labelled(weights, x, time, label):
        assert label is None
        return network(weights, x, time, LABELS)

    one = sample(watched, params(), 7, range(8), SHAPE, LABELS, NULL, Sampling(steps=9))
    assert set(traced) == {8}
    none = sample(labelled, params(), 7, range(8), SHAPE, None, NULL, Sampling(steps=9))
    np.testing.assert_array_equal(one, none)
    traced.clear()
    almost = Sampling(steps=9, guidance=1 + 1e-6)
    again = sample(watched, params(), 7, range(8), SHAPE, LABELS, NULL, almost)
    assert set(traced) == {16}
    np.testing.assert_allclose(again, one, atol=1e-4)


def test_steps_outside_the_interval_of_guidance_evaluate_once():
    ran = []

    def counted(params, x, time, label):
        jax.debug.callback(lambda times: ran.append((round(float(times[0]), 3), len(times))), time)
        return network(params, x, time, label)

    settings = Sampling(steps=5, guidance=2.0, guided=(0.2, 0.6))
    sample(counted, params(), 7, range(8), SHAPE, LABELS, NULL, settings).block_until_ready()
    jax.effects_barrier()
    assert sorted(ran) == [(0.0, 8), (0.2, 16), (0.4, 16), (0.6, 16), (0.8, 8)]
