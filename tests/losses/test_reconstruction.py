import jax.numpy as jnp
import numpy as np

from pv_vae_jax.interface import Posterior
from pv_vae_jax.losses import kl, reconstruction


def test_squared_error_is_a_mean_over_pixels_of_each_frame():
    target = jnp.zeros((1, 2, 1, 2, 3))
    video = target.at[0, 1].set(2.0)
    assert reconstruction.squared_error(video, target).ravel().tolist() == [0.0, 4.0]


def test_a_difference_belongs_to_its_later_frame():
    target = jnp.zeros((1, 3, 1, 1, 1))
    video = jnp.array([0.0, 1.0, 3.0]).reshape(1, 3, 1, 1, 1)
    assert reconstruction.difference_error(video, target).ravel().tolist() == [0.0, 1.0, 4.0]


def test_a_constant_offset_costs_no_difference():
    target = jnp.arange(12.0).reshape(1, 3, 2, 2, 1)
    np.testing.assert_allclose(reconstruction.difference_error(target + 5, target), 0)


def test_the_divergence_is_that_of_two_gaussians():
    mean, logvar = 0.3, -0.7
    grid = np.linspace(-12, 12, 200_001)
    q = np.exp(-((grid - mean) ** 2) / (2 * np.exp(logvar))) / np.sqrt(2 * np.pi * np.exp(logvar))
    p = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    by_integral = np.sum(q * np.log(np.maximum(q, 1e-300) / p)) * (grid[1] - grid[0])
    posterior = Posterior(jnp.full((1, 2, 1, 1, 3), mean), jnp.full((1, 2, 1, 1, 3), logvar))
    nats = kl.divergence(posterior)
    np.testing.assert_allclose(nats, np.full((1, 2, 1, 1), by_integral), rtol=1e-5)
