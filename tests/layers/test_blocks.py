import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.layers.blocks import ResidualBlock, RMSNorm
from pv_vae_jax.layers.ordered_sum import ordered_sum


def test_rms_norm_is_the_fields_formula_with_the_norm_bounded_below():
    x = np.random.default_rng(0).standard_normal((2, 3, 7)).astype(np.float32)
    x[0, 0] = 0
    x[0, 1] *= 1e-13  # shorter than the bound
    scale = np.linspace(0.5, 2, 7, dtype=np.float32)
    y = RMSNorm().apply({"params": {"scale": scale}}, x)
    norm = np.maximum(np.linalg.norm(x.astype(np.float64), axis=-1, keepdims=True), 1e-12)
    np.testing.assert_allclose(y, x / norm * 7**0.5 * scale, rtol=2e-6, atol=1e-7)


def test_the_gradient_of_the_norm_is_finite_at_zero():
    grad = jax.grad(lambda x: RMSNorm().apply({"params": {"scale": jnp.ones(4)}}, x).sum())
    assert np.isfinite(grad(jnp.zeros((2, 4)))).all()


def test_the_ordered_sum_is_the_sum_and_its_gradient_ones():
    for count in (1, 2, 7, 12, 96):
        x = np.random.default_rng(count).standard_normal((3, count)).astype(np.float32)
        wanted = x.astype(np.float64).sum(-1, keepdims=True)
        np.testing.assert_allclose(ordered_sum(x), wanted, atol=1e-5)
        np.testing.assert_array_equal(jax.grad(lambda x: ordered_sum(x).sum())(x), np.ones_like(x))


def test_the_ordered_sum_has_the_same_bits_for_any_number_of_rows():
    x = np.random.default_rng(0).standard_normal((4096, 32)).astype(np.float32)
    summed = jax.jit(ordered_sum)
    whole = np.asarray(summed(x))
    for rows in (1, 7, 64, 160, 1024):
        np.testing.assert_array_equal(summed(x[:rows]), whole[:rows])


def test_a_block_adds_to_its_input_and_projects_it_only_where_the_width_changes():
    x = np.random.default_rng(0).standard_normal((1, 2, 3, 3, 4)).astype(np.float32)
    for features in (4, 6):
        block = ResidualBlock(features)
        params = block.init(jax.random.key(0), x)["params"]
        assert ("shortcut" in params) == (features != 4)
        params["conv_1"] = jax.tree.map(jnp.zeros_like, params["conv_1"])
        kernel = np.asarray(params["shortcut"]["kernel"][0, 0, 0]) if features != 4 else np.eye(4)
        np.testing.assert_allclose(block.apply({"params": params}, x), x @ kernel, atol=1e-6)
