import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import rng


def test_noise_of_a_group_depends_on_neither_the_number_of_groups_nor_the_batch():
    key = rng.step_key(0, "latent", 7)
    whole = rng.latent_noise(key, jnp.array([3, 9, 4]), 5, (2, 2, 3))
    part = rng.latent_noise(key, jnp.array([9]), 2, (2, 2, 3))
    np.testing.assert_array_equal(whole[1, :2], part[0])


def test_noise_is_standard_normal_and_differs_by_step_stream_example_and_group():
    keys = [rng.step_key(0, "latent", 0), rng.step_key(0, "latent", 1), rng.step_key(0, "b", 0)]
    draws = np.stack([rng.latent_noise(key, jnp.arange(8), 4, (4, 4, 8)) for key in keys])
    assert abs(draws.mean()) < 0.02 and abs(draws.std() - 1) < 0.02
    rows = draws.reshape(3 * 8 * 4, -1)
    assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 0.5


def test_streams_are_named():
    assert jnp.any(
        jax.random.key_data(rng.stream_key(0, "a")) != jax.random.key_data(rng.stream_key(0, "b"))
    )
    assert rng.fold(0, "a") != rng.fold(0, "b") != rng.fold(1, "b")


def test_the_host_generator_is_a_function_of_seed_stream_and_index():
    first = rng.host_generator(1, "clip", 5).integers(1 << 30, size=4)
    np.testing.assert_array_equal(first, rng.host_generator(1, "clip", 5).integers(1 << 30, size=4))
    assert (first != rng.host_generator(1, "clip", 6).integers(1 << 30, size=4)).any()
