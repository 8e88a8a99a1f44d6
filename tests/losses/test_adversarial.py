import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.losses import adversarial
from pv_vae_jax.models import discriminators


def maps(*values):
    """One map ``[1, T', 1, 1]`` for each list of logits."""
    return tuple(jnp.array(each, jnp.float32).reshape(1, -1, 1, 1) for each in values)


REAL, FAKE = maps([2.0, 0.5]), maps([-3.0, 0.5])


def softplus(x):
    return math.log1p(math.exp(x))


def test_the_hinge_by_hand():
    # real: relu(1 - 2) = 0, relu(1 - 0.5) = 0.5; fake: relu(1 - 3) = 0, relu(1 + 0.5) = 1.5
    assert adversarial.for_discriminator("hinge", REAL, FAKE).tolist() == [(0.5 + 1.5) / 4]
    assert adversarial.for_generator("hinge", FAKE).tolist() == [(3.0 - 0.5) / 2]


def test_the_discriminator_learns_from_logits_within_the_margin_alone():
    def loss(real, fake):
        return adversarial.for_discriminator("hinge", real, fake).sum()

    real, fake = jax.grad(loss, argnums=(0, 1))(REAL, FAKE)
    assert real[0].ravel().tolist() == [0.0, -0.25]
    assert fake[0].ravel().tolist() == [0.0, 0.25]


def test_the_non_saturating_loss_by_hand():
    by_hand = (softplus(-2.0) + softplus(-0.5) + softplus(-3.0) + softplus(0.5)) / 4
    value = adversarial.for_discriminator("non_saturating", REAL, FAKE)
    np.testing.assert_allclose(value, [by_hand], rtol=1e-6)
    value = adversarial.for_generator("non_saturating", FAKE)
    np.testing.assert_allclose(value, [(softplus(3.0) + softplus(-0.5)) / 2], rtol=1e-6)


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="one of hinge, non_saturating; got 'wasserstein'"):
        adversarial.for_generator("wasserstein", FAKE)
    with pytest.raises(ValueError, match="one of hinge, non_saturating; got 'wasserstein'"):
        adversarial.for_discriminator("wasserstein", REAL, FAKE)


def test_each_discriminator_counts_alike_and_each_example_alone():
    random = np.random.default_rng(0)
    small, large = random.standard_normal((2, 1, 2, 2)), random.standard_normal((2, 5, 8, 8))
    value = adversarial.per_example((jnp.asarray(small), jnp.asarray(large)))
    by_hand = [(small[b].mean() + large[b].mean()) / 2 for b in range(2)]
    np.testing.assert_allclose(value, by_hand, rtol=1e-5)


def test_a_mask_of_frames_follows_the_time_of_each_map():
    observed = (jnp.arange(9)[None] < jnp.array([[9], [5], [1]]))[:, :, None, None]
    logits = tuple(jnp.zeros((3, t, 2, 2)) for t in (9, 5, 3))
    masks = adversarial.visible(logits, observed)
    assert [m.sum(axis=(1, 2, 3)).tolist() for m in masks] == [[9, 5, 1], [5, 3, 1], [3, 2, 1]]


def test_a_mask_of_cells_follows_the_places_of_each_map():
    left = jnp.zeros((1, 5, 2, 2), bool).at[:, :, :, 0].set(True)
    fine, coarse = adversarial.visible((jnp.zeros((1, 5, 4, 4)), jnp.zeros((1, 3, 1, 3))), left)
    assert fine[0, 0].tolist() == [[True, True, False, False]] * 4
    assert coarse.shape == (1, 3, 1, 3) and coarse[0, 0].tolist() == [[True, False, False]]
    values = jnp.arange(16.0).reshape(1, 1, 4, 4)
    mean = adversarial.per_example((values,), (fine[:, :1],))
    assert mean.tolist() == [np.arange(16).reshape(4, 4)[:, :2].mean()]


def test_logits_that_do_not_count_have_no_value_and_no_gradient():
    where = (jnp.array([True, False]).reshape(1, 2, 1, 1),)
    hidden = (REAL[0].at[0, 1].set(jnp.nan),)
    fake = (FAKE[0].at[0, 1].set(jnp.nan),)
    assert adversarial.for_generator("hinge", fake, where).tolist() == [3.0]
    assert adversarial.for_discriminator("hinge", hidden, fake, where).tolist() == [0.0]
    assert adversarial.accuracy(hidden, fake, where).tolist() == [1.0]
    start = adversarial.Averages.start(1)
    assert adversarial.lecam(hidden, fake, start, where).tolist() == [4.0 + 9.0]
    assert adversarial.Averages.of(hidden, fake, where).fake.tolist() == [-3.0]
    slope = jax.grad(lambda f: adversarial.for_generator("hinge", f, where).sum())(FAKE)
    assert slope[0].ravel().tolist() == [-1.0, 0.0]


def test_hidden_frames_are_zero_whatever_they_hold():
    clip = np.random.default_rng(1).standard_normal((2, 3, 2, 2, 3)).astype(np.float32)
    observed = jnp.array([[True, True, False], [True, False, False]])[:, :, None, None]
    garbled = np.where(np.asarray(observed)[..., None], clip, np.nan)
    shown = adversarial.hide(garbled, observed)
    assert not np.any(shown[0, 2]) and not np.any(shown[1, 1:])
    np.testing.assert_array_equal(shown[0, :2], clip[0, :2])
    slope = jax.grad(lambda x: adversarial.hide(x, observed).sum())(clip)
    np.testing.assert_array_equal(slope[:, :, :1, :1, 0], observed.astype(np.float32))


def test_hidden_cells_are_zero_and_the_others_keep_their_bits():
    clip = np.random.default_rng(1).standard_normal((1, 2, 4, 4, 3)).astype(np.float32)
    observed = jnp.array([[[True, False]], [[False, True]]]).reshape(1, 2, 1, 2)
    shown = adversarial.hide(clip, observed)
    np.testing.assert_array_equal(shown[0, 0, :, :2], clip[0, 0, :, :2])
    assert not np.any(shown[0, 0, :, 2:]) and not np.any(shown[0, 1, :, :2])


def test_lecam_by_hand():
    averages = adversarial.Averages(real=jnp.array([1.5, 0.0]), fake=jnp.array([-0.5, 1.0]))
    real, fake = maps([2.0, -1.0], [3.0]), maps([0.5, 4.0], [-2.0])
    # first map: (2 + 0.5)^2, 0; (1.5 - 0.5)^2, 0; second: (3 - 1)^2; (0 + 2)^2
    by_hand = ((6.25 + 0.0 + 1.0 + 0.0) / 2 + (4.0 + 4.0)) / 2
    assert adversarial.lecam(real, fake, averages).tolist() == [by_hand]


def test_the_averages_of_lecam_decay_to_the_mean_of_each_map():
    real, fake = maps([2.0, -1.0], [3.0]), maps([0.5, 4.0], [-2.0])
    averages = adversarial.Averages.start(2)
    assert not np.any(jax.tree.leaves(averages))
    for step in range(1, 4):
        averages = averages.moved(adversarial.Averages.of(real, fake), decay=0.9)
        share = 1 - 0.9**step
        np.testing.assert_allclose(averages.real, [share * 0.5, share * 3.0], rtol=1e-6)
        np.testing.assert_allclose(averages.fake, [share * 2.25, share * -2.0], rtol=1e-6)


def test_no_gradient_passes_the_averages():
    def means(real):
        return adversarial.Averages.of(real, FAKE).real.sum()

    assert not np.any(jax.grad(means)(REAL)[0])


@pytest.fixture(scope="module")
def judge():
    """Biases keep it away from the kinks of the leaky ReLU, at which differences are not slopes."""
    module = discriminators.build("both", widths=(4,), normalisation="spectral")
    variables = jax.jit(module.init)(jax.random.key(0), np.zeros((1, 3, 8, 8, 3), np.float32))
    for kind in ("frame", "clip"):
        variables["params"][kind]["conv_0"]["bias"] = jnp.array([4.0, -4.0, 4.0, -4.0])
    return module, variables


def test_r1_is_the_mean_square_of_finite_differences(judge):
    module, variables = judge
    clip = np.random.default_rng(2).uniform(-1, 1, (2, 2, 4, 4, 3)).astype(np.float32)
    penalty = jax.jit(functools.partial(adversarial.r1, functools.partial(module.apply, variables)))

    def total(clip):
        return jnp.stack([jnp.sum(m) for m in module.apply(variables, clip[None])]).sum()

    step = 0.05
    moves = step * np.eye(clip[0].size, dtype=np.float32).reshape(-1, *clip.shape[1:])
    totals = jax.jit(jax.vmap(total))
    for example, value in zip(clip, penalty(clip), strict=True):
        slopes = (totals(example + moves) - totals(example - moves)) / (2 * step)
        np.testing.assert_allclose(value, np.mean(np.square(slopes)), rtol=1e-3)


def along_a_direction(loss, params, seed):
    """The slope of ``loss`` along a random direction: from its gradient, and by differences."""
    random, step = np.random.default_rng(seed), 3e-3
    direction = jax.tree.map(lambda w: random.standard_normal(w.shape, np.float32), params)
    gradient, value = jax.jit(jax.grad(loss))(params), jax.jit(loss)
    exact = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, gradient, direction)))
    ahead = value(jax.tree.map(lambda w, d: w + step * d, params, direction))
    behind = value(jax.tree.map(lambda w, d: w - step * d, params, direction))
    return float(exact), float(ahead - behind) / (2 * step)


def test_the_parameters_gradient_of_r1_is_that_of_finite_differences(judge):
    module, variables = judge
    clip = np.random.default_rng(3).uniform(-1, 1, (1, 1, 4, 4, 3)).astype(np.float32)
    stats = variables["batch_stats"]

    def penalty(params):
        logits_of = functools.partial(module.apply, {"params": params, "batch_stats": stats})
        return adversarial.r1(logits_of, clip).sum()

    exact, finite = along_a_direction(penalty, variables["params"], seed=4)
    np.testing.assert_allclose(finite, exact, rtol=2e-3)


@pytest.mark.parametrize("kind", adversarial.KINDS)
def test_the_generators_gradient_through_the_discriminator_is_that_of_finite_differences(
    judge, kind
):
    module, variables = judge
    latents = np.random.default_rng(5).standard_normal((2, 3, 8, 8, 4), np.float32)
    observed = jnp.array([[True] * 3, [True, False, False]])[:, :, None, None]
    generator = CausalConv3D(3)
    params = jax.jit(generator.init)(jax.random.key(1), latents)

    def loss(params):
        video = adversarial.hide(generator.apply(params, latents), observed)
        logits = module.apply(variables, video)
        where = adversarial.visible(logits, observed)
        return adversarial.for_generator(kind, logits, where).mean()

    exact, finite = along_a_direction(loss, params, seed=0)
    np.testing.assert_allclose(finite, exact, rtol=2e-3)


def test_the_adaptive_weight_by_hand():
    weight = adversarial.adaptive_weight
    np.testing.assert_allclose(weight(jnp.float32(3.0), jnp.float32(2.0)), 1.5, rtol=1e-6)
    np.testing.assert_allclose(weight(jnp.float32(1e-6), jnp.float32(0.0)), 1.0, rtol=1e-6)
    assert weight(jnp.float32(1.0), jnp.float32(0.0)) == 1e4
    assert jax.grad(weight, argnums=(0, 1))(jnp.float32(3.0), jnp.float32(2.0)) == (0.0, 0.0)


def test_accuracy_is_the_share_of_logits_on_their_side():
    real, fake = maps([1.0, -1.0, 2.0, 3.0]), maps([-1.0, 1.0, 1.0, 1.0])
    assert adversarial.accuracy(real, fake).tolist() == [(3 + 1) / 8]
    blind = maps([0.0])
    assert adversarial.accuracy(blind, blind).tolist() == [0.0]
