"""Latents that are planted to follow motion, and some that are not."""

import numpy as np
import pytest

from pv_vae_jax.analysis import activation, flow
from pv_vae_jax.data.rendered import Scene


@pytest.fixture(scope="module")
def magnitude():
    """Of a rendered scene's exact flow, on a grid of 4 x 16 x 16."""
    return flow.on_latent_grid(Scene.drawn(3, 17, 64, 64, "held_out").flow(), 4, 4)


def of_energy(magnitude):
    """Latents whose squared distance from their mean is ``magnitude``; group 0 makes it 0."""
    z = np.random.default_rng(0).normal(size=(*magnitude.shape, 5))
    z *= np.sqrt(magnitude / np.square(z).sum(axis=-1))[..., None]
    rest = -z.sum(axis=(0, 1, 2)) / magnitude[0].size
    return np.concatenate([np.broadcast_to(rest, (1, *z.shape[1:])), z])


def of_change(magnitude):
    """Latents that go ``magnitude`` far from group to group."""
    step = np.random.default_rng(0).normal(size=(*magnitude.shape, 5))
    step *= (magnitude / np.linalg.norm(step, axis=-1))[..., None]
    return np.concatenate([np.zeros((1, *step.shape[1:])), np.cumsum(step, axis=0)])


@pytest.mark.parametrize("name, planted", [("energy", of_energy), ("change", of_change)])
def test_planted_activations_have_correlation_1_and_shuffled_ones_0(name, planted, magnitude):
    found = activation.correlations(planted(magnitude), magnitude)
    assert found[f"{name}_pearson"] == pytest.approx(1, abs=1e-9)
    assert found[f"{name}_spearman"] == pytest.approx(1, abs=1e-9)
    shuffled = np.random.default_rng(1).permutation(magnitude.ravel()).reshape(magnitude.shape)
    found = activation.correlations(planted(magnitude), shuffled)
    assert abs(found[f"{name}_pearson"]) < 0.1 and abs(found[f"{name}_spearman"]) < 0.1


def test_energy_and_change_by_hand():
    z = np.array([[0.0, 0], [3, 4], [3, 4], [6, 8]]).reshape(4, 1, 1, 2)  # mean (3, 4)
    np.testing.assert_allclose(activation.energy(z).ravel(), [25, 0, 0, 25])
    np.testing.assert_allclose(activation.change(z).ravel(), [5, 0, 5])


def test_what_does_not_vary_has_no_correlation(magnitude):
    assert activation.correlations(of_change(magnitude), np.zeros_like(magnitude)) == {}
    assert activation.correlations(np.ones((5, 16, 16, 2)), magnitude) == {}
