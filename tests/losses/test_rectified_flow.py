import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from pv_vae_jax.core import rng
from pv_vae_jax.losses import rectified_flow
from pv_vae_jax.sharding import mesh as meshes

KEY = rng.step_key(0, "time", 3)
MANY = jnp.arange(20_000, dtype=jnp.uint32)
GRID = np.linspace(0, 1, 1001)


def test_the_path_leads_straight_from_noise_to_data():
    data, noise = (
        np.random.default_rng(i).standard_normal((3, 2, 1, 1, 4), np.float32) for i in (0, 1)
    )
    x, velocity = rectified_flow.path(data, noise, jnp.array([0.0, 1.0, 0.25]))
    np.testing.assert_array_equal(x[0], noise[0])
    np.testing.assert_array_equal(x[1], data[1])
    np.testing.assert_allclose(x[2], 0.75 * noise[2] + 0.25 * data[2], rtol=1e-6)
    np.testing.assert_array_equal(velocity, data - noise)


def test_the_velocity_is_the_slope_of_the_path_in_time():
    data, noise, time = jnp.full((2, 1, 1, 1, 1), 3.0), jnp.ones((2, 1, 1, 1, 1)), jnp.ones(2) / 3
    (_, velocity), (slope, turn) = jax.jvp(
        functools.partial(rectified_flow.path, data, noise), (time,), (jnp.ones(2),)
    )
    np.testing.assert_allclose(slope, velocity, rtol=1e-6)
    assert not np.any(turn)


def test_latents_of_half_precision_are_noised_in_float32():
    half = jnp.full((1, 1, 1, 1, 1), 1.0, jnp.bfloat16)
    x, velocity = rectified_flow.path(half, jnp.full((1, 1, 1, 1, 1), 1e-3), jnp.array([0.5]))
    assert x.dtype == velocity.dtype == jnp.float32
    np.testing.assert_allclose(x.ravel(), [0.5005], rtol=1e-6)
    assert rectified_flow.loss(half, velocity).dtype == jnp.float32


def test_the_loss_is_a_mean_over_each_example_alone():
    predicted = jnp.array([[1.0, 3.0], [0.0, 0.0]]).reshape(2, 1, 1, 1, 2)
    velocity = jnp.array([[1.0, 1.0], [jnp.nan, 0.0]]).reshape(2, 1, 1, 1, 2)
    loss = rectified_flow.loss(predicted, velocity)
    assert loss[0] == 2.0 and jnp.isnan(loss[1])


def test_a_shift_of_one_keeps_every_bit():
    for grid in (GRID, GRID.astype(np.float32), jnp.asarray(GRID, jnp.float32)):
        np.testing.assert_array_equal(rectified_flow.shifted(grid, 1.0), grid)


@pytest.mark.parametrize("shift", [0.3, 1.7, 3.0])
def test_a_shift_keeps_the_ends_and_the_order_and_moves_towards_noise_if_above_one(shift):
    moved = rectified_flow.shifted(GRID, shift)
    assert moved[0] == 0.0 and moved[-1] == 1.0
    assert np.all(np.diff(moved) > 0)
    assert np.all(moved[1:-1] < GRID[1:-1] if shift > 1 else moved[1:-1] > GRID[1:-1])


@pytest.mark.parametrize("shift", [0.3, 1.7, 3.0])
def test_a_shift_multiplies_the_ratio_of_noise_to_data(shift):
    inner = GRID[1:-1]
    moved = rectified_flow.shifted(inner, shift)
    np.testing.assert_allclose((1 - moved) / moved, shift * (1 - inner) / inner)
    noise_level = 1 - inner  # SD3's time; its equation (23)
    of_sd3 = shift * noise_level / (1 + (shift - 1) * noise_level)
    np.testing.assert_allclose(1 - moved, of_sd3)


def test_uniform_times_are_uniform():
    drawn = rectified_flow.times(KEY, MANY)
    assert drawn.dtype == jnp.float32 and 0 <= drawn.min() and drawn.max() < 1
    assert scipy.stats.kstest(np.asarray(drawn), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("mean", "std", "shift"), [(0.0, 1.0, 1.0), (0.5, 0.7, 1.0), (0, 1, 3)])
def test_logit_normal_times_have_the_quantiles_of_their_law(mean, std, shift):
    drawn = np.asarray(rectified_flow.times(KEY, MANY, "logit_normal", mean, std, shift))
    law = scipy.stats.norm(mean - np.log(shift), std)
    levels = np.array([0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
    below = np.mean(drawn[:, None] <= scipy.special.expit(law.ppf(levels)), axis=0)
    # Five standard deviations of a share of 20,000 draws.
    assert np.all(np.abs(below - levels) < 5 * np.sqrt(levels * (1 - levels) / len(drawn)))
    assert scipy.stats.kstest(scipy.special.logit(drawn), law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("kind", rectified_flow.KINDS)
def test_a_time_depends_on_neither_batch_nor_order_nor_mesh(kind):
    times = jax.jit(functools.partial(rectified_flow.times, kind=kind, shift=2.0))
    examples = jnp.array([7, 1, 2**32 - 1, 0, 9, 4, 3, 5], jnp.uint32)
    whole = np.asarray(times(KEY, examples))
    assert len(set(whole.tolist())) == 8
    np.testing.assert_array_equal(times(KEY, examples[::-1])[::-1], whole)
    np.testing.assert_array_equal(times(KEY, examples[2:5]), whole[2:5])
    spread = jax.device_put(examples, meshes.over_data(meshes.make_mesh()))
    np.testing.assert_array_equal(times(KEY, spread), whole)


def test_labels_are_dropped_as_often_as_asked():
    label = (MANY % 10).astype(jnp.int32)
    kept = rectified_flow.dropped_labels(KEY, MANY, label, 10, 0.1)
    dropped = kept == 10
    assert kept.dtype == jnp.int32 and jnp.all(jnp.where(dropped, True, kept == label))
    assert abs(float(dropped.mean()) - 0.1) < 5 * np.sqrt(0.1 * 0.9 / len(MANY))
    by_class = [float(dropped[label == c].mean()) for c in range(10)]
    assert max(abs(share - 0.1) for share in by_class) < 5 * np.sqrt(0.1 * 0.9 / 2000)


def test_all_labels_or_none_are_dropped_at_the_ends():
    label = jnp.array([0, 1, 2, 1])
    examples = jnp.arange(4)
    none = rectified_flow.dropped_labels(KEY, examples, label, 3, 0.0)
    assert none.tolist() == label.tolist()
    assert rectified_flow.dropped_labels(KEY, examples, label, 3, 1.0).tolist() == [3] * 4


def test_whether_a_label_is_dropped_depends_on_its_example_alone():
    label = jnp.zeros(64, jnp.int32)
    whole = rectified_flow.dropped_labels(KEY, MANY[:64], label, 1, 0.5)
    part = rectified_flow.dropped_labels(KEY, MANY[20:30], label[:10], 1, 0.5)
    assert part.tolist() == whole[20:30].tolist()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: rectified_flow.times(KEY, MANY, "cosine"), "uniform, logit_normal; got 'cosine'"),
        (lambda: rectified_flow.times(KEY, MANY, "logit_normal", std=0.0), "positive; got 0.0"),
        (lambda: rectified_flow.times(KEY, MANY, shift=-1.0), "shift of times.*got -1.0"),
        (lambda: rectified_flow.shifted(GRID, 0.0), "shift of times is positive.*got 0.0"),
        (
            lambda: rectified_flow.dropped_labels(KEY, MANY, MANY, 1, 1.5),
            "between 0 and 1; got 1.5",
        ),
    ],
)
def test_a_field_out_of_its_range_is_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
