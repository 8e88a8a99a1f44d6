import functools

import jax
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import latte_positions
from pv_vae_jax.models.latte_blocks import AXES, Block
from tests.golden.zoo import rule
from tests.sharding.parity import OPTIONS

WIDTH, HEADS = 8, 2
TOKENS = rule.normal(1, 2, 3, 2, 4, WIDTH)  # B, G, h, w, C: all sizes differ but B and h
CONDITION = rule.normal(2, 2, WIDTH)


def block(over, **options):
    return Block(over, HEADS, **options)


def weights(module):
    shapes = jax.eval_shape(module.init, jax.random.key(0), TOKENS, CONDITION)["params"]
    flat = {path: rule.tensor(path, s.shape, 2.0) for path, s in trees.flatten(shapes).items()}
    return trees.unflatten(flat)


@functools.cache
def compiled(module):
    apply = functools.partial(module.apply, {"params": weights(module)})
    return jax.jit(apply, compiler_options=OPTIONS)


@pytest.mark.parametrize("rotary", [False, True])
def test_a_block_over_space_does_not_mix_frames_and_sees_the_whole_frame(rotary):
    run, other = compiled(block("space", rotary=rotary)), TOKENS.copy()
    other[:, 1, 1, 2, 0] += 1  # all channels alike would be lost in the norm
    moved = np.abs(run(TOKENS, CONDITION) - run(other, CONDITION)).max(axis=(0, 4))
    assert not moved[[0, 2]].any()
    assert (moved[1] > 0).all()


@pytest.mark.parametrize("rotary", [False, True])
def test_a_block_over_time_does_not_mix_places_and_sees_all_groups(rotary):
    run, other = compiled(block("time", rotary=rotary)), TOKENS.copy()
    other[:, 1, 1, 2, 0] += 1  # all channels alike would be lost in the norm
    moved = np.abs(run(TOKENS, CONDITION) - run(other, CONDITION)).max(axis=(0, 4))
    assert (moved[:, 1, 2] > 0).all()
    moved[:, 1, 2] = 0
    assert not moved.any()


@pytest.mark.parametrize("over", AXES)
def test_a_block_mixes_no_clips_and_conditions_each_by_its_own(over):
    run, other = compiled(block(over)), CONDITION.copy()
    other[1] += 1
    found, again = run(TOKENS, CONDITION), run(TOKENS, other)
    np.testing.assert_array_equal(again[0], found[0])
    assert np.abs(again[1] - found[1]).min(axis=-1).max() > 1e-3


@pytest.mark.parametrize("over", AXES)
def test_a_fresh_block_is_the_identity(over):
    module = block(over)

    @functools.partial(jax.jit, compiler_options=OPTIONS)
    def fresh(key):
        return module.init_with_output(key, TOKENS, CONDITION)[0]

    np.testing.assert_array_equal(fresh(jax.random.key(0)), TOKENS)


def test_float32_means_float32_on_accelerators_too():
    module = block("space")

    def loss(params, x):
        return module.apply({"params": params}, x, CONDITION).sum()

    program = jax.make_jaxpr(jax.grad(loss))(weights(module), TOKENS)
    text = str(program)
    products = text.count("dot_general[")
    # The condition has no gradient; the five matrices are there in a form for CPU, too.
    assert products == (3 * 7 - 1) + (3 * 5 - 1)
    assert text.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == products


@pytest.mark.parametrize("axes", [1, 2])
def test_rotary_scores_depend_on_differences_of_places_alone(axes):
    places = np.random.default_rng(0).integers(0, 32, (9, axes))
    q, k = rule.normal(3, 1, 9, 2, 8), rule.normal(4, 1, 9, 2, 8)

    def scores(places):
        angles = latte_positions.angles(places, 8)
        turned = [latte_positions.rotary(x, angles) for x in (q, k)]
        return np.einsum("nqhd,nkhd->nhqk", *turned)

    moved = places + np.array([[11, 5]])[:, :axes]
    np.testing.assert_allclose(scores(moved), scores(places), atol=2e-5)
    places[0] += 1
    assert np.abs(scores(places) - scores(moved)).max() > 0.1


def test_rotary_turns_and_does_not_stretch():
    x = rule.normal(5, 2, 6, 3, 8)
    turned = latte_positions.rotary(x, latte_positions.angles(latte_positions.grid(2, 3), 8))
    np.testing.assert_allclose(turned[:, 0], x[:, 0])  # the first place is 0, 0
    norms = [np.linalg.norm(y, axis=-1) for y in (turned, x)]
    np.testing.assert_allclose(*norms, rtol=1e-6)


def test_rows_turn_half_of_the_channels_and_columns_the_other():
    x = np.ones((1, 1, 1, 8), np.float32)
    for axis, still in enumerate([(2, 3, 6, 7), (0, 1, 4, 5)]):
        place = np.eye(2, dtype=int)[axis : axis + 1]
        moved = np.abs(latte_positions.rotary(x, latte_positions.angles(place, 8)) - x).reshape(8)
        assert set(np.flatnonzero(moved < 1e-6)) == set(still)


def test_the_grid_is_in_the_order_of_the_tokens():
    numbers = np.arange(6).reshape(2, 3)
    rows, columns = latte_positions.grid(2, 3).T
    np.testing.assert_array_equal(numbers[rows, columns], numbers.reshape(-1))


def test_columns_fill_the_first_half_of_the_places_and_rows_the_second():
    places = np.asarray(latte_positions.space(2, 3, 8))
    line = latte_positions.sincos(3, 4)
    np.testing.assert_array_equal(places[0, 0, :, :, :4], np.stack([line] * 2))
    np.testing.assert_array_equal(places[0, 0, :, :, 4:], np.stack([line[:2]] * 3, axis=1))
    assert line[1] == pytest.approx([np.sin(1), np.sin(0.01), np.cos(1), np.cos(0.01)])


@pytest.mark.parametrize("rotary", [False, True])
def test_the_scale_of_queries_does_not_matter_where_they_are_normed(rotary):
    module = block("space", qk_norm=True, rotary=rotary)
    params = trees.flatten(weights(module))
    columns = np.zeros((HEADS, 3, WIDTH // HEADS), bool)
    columns[:, :2] = True  # queries and keys
    scale = np.where(columns.reshape(-1), np.float32(50), np.float32(1))
    path = "attention/qkv"
    scaled = params | {
        f"{path}/{leaf}": params[f"{path}/{leaf}"] * scale.reshape(shape)
        for leaf, shape in (("kernel", (1, -1)), ("bias", (-1,)))
    }
    run = jax.jit(module.apply, compiler_options=OPTIONS)
    found, again = (
        run({"params": trees.unflatten(p)}, TOKENS, CONDITION) for p in (params, scaled)
    )
    np.testing.assert_allclose(again, found, rtol=0, atol=1e-5)
