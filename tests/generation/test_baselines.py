"""Baselines have the moments that they say."""

import numpy as np
import pytest

from pv_vae_jax.generation import baselines


def test_the_gaussian_has_the_mean_and_the_covariance_of_the_latents():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(6, 6))
    latents = (random.normal(size=(50, 6)) @ mixing + 3).reshape(50, 1, 1, 2, 3)
    drawn = baselines.gaussian(latents, 1, range(20_000)).reshape(-1, 6)
    wanted = np.cov(latents.reshape(50, 6).T)
    assert np.abs(np.cov(drawn.T) - wanted).max() < 0.05 * np.abs(wanted).max()
    assert np.abs(drawn.mean(axis=0) - latents.reshape(50, 6).mean(axis=0)).max() < 0.1


def test_a_sample_depends_on_seed_and_index_alone():
    latents = np.random.default_rng(0).normal(size=(5, 1, 1, 2, 3))
    many, one = baselines.gaussian(latents, 1, range(4)), baselines.gaussian(latents, 1, [2])
    np.testing.assert_allclose(many[2], one[0], rtol=1e-6)
    assert not np.allclose(baselines.gaussian(latents, 2, [2]), one)
    many, one = (baselines.noise((1, 1, 2, 3), 1, which) for which in (range(4), [2]))
    np.testing.assert_array_equal(many[2], one[0])
    assert abs(baselines.noise((4, 8, 8, 16), 0, [0]).std() - 1) < 0.02


def test_one_latent_has_no_covariance():
    with pytest.raises(ValueError, match="2 latents or more, got 1"):
        baselines.gaussian(np.zeros((1, 1, 1, 2, 3)), 0, [0])
