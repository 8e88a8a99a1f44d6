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


def test_features_that_are_zero_are_constants_of_the_backward_pass():
    params = {"params": {"scale": jnp.linspace(0.5, 2, 4)}}
    x = jnp.stack([jnp.zeros(4), jnp.arange(4.0)])
    dy = jnp.arange(8.0).reshape(2, 4)
    gradient = jax.grad(lambda x: jnp.vdot(dy, RMSNorm().apply(params, x)))(x)
    np.testing.assert_array_equal(gradient[0], np.zeros(4))
    direction = np.float32([0.3, -0.1, 0.2, 0.4])

    def moved(step):  # the other row, by finite differences
        return float(jnp.vdot(dy, RMSNorm().apply(params, x.at[1].add(step * direction))))

    slope = (moved(1e-2) - moved(-1e-2)) / 2e-2
    assert abs(slope - np.vdot(gradient[1], direction)) < 1e-2 * abs(slope)


def test_blocks_of_padded_zeros_have_gradients_of_usual_size():
    block = ResidualBlock(4)
    x = np.random.default_rng(0).standard_normal((1, 5, 4, 4, 4)).astype(np.float32)
    x[:, 3:] = 0  # nothing moves them before the biases are
    first, second = (block.init(jax.random.key(i), x)["params"] for i in range(2))

    def loss(params, x):
        y = block.apply({"params": params[0]}, x)
        return jnp.mean((block.apply({"params": params[1]}, y) - 1) ** 2)

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)))((first, second), x)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradients))
    assert 1e-3 < largest < 10


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
