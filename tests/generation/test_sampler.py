"""Samples: noise carried to the target, the same in any batch, and what is known comes back."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pv_vae_jax.core import rng
from pv_vae_jax.generation.sampler import Sampling, sample
from pv_vae_jax.losses import rectified_flow
from pv_vae_jax.sharding import mesh as meshes
from tests.generation.flows import (
    GUIDED,
    LABELS,
    MEAN,
    NULL,
    SHAPE,
    STD,
    by_example,
    gaussian,
    network,
    noise_of,
    params,
    wide,
)


def test_a_sample_is_its_noise_carried_to_the_target():
    drawn = sample(gaussian, (MEAN, STD), 0, [3, 8], SHAPE, None, 0, Sampling(solver="heun"))
    np.testing.assert_allclose(drawn, MEAN + STD * noise_of(0, [3, 8]), atol=1e-3)


def test_one_step_of_either_solver_by_hand():
    noise = noise_of(3, [5])

    def toward(params, x, time, label):
        return wide(time, x) * x + 1.0

    euler = sample(toward, None, 3, [5], SHAPE, None, 0, Sampling(steps=1))
    heun = sample(toward, None, 3, [5], SHAPE, None, 0, Sampling(steps=1, solver="heun"))
    np.testing.assert_allclose(euler, noise + 1, rtol=1e-6)
    np.testing.assert_allclose(heun, noise + (1 + (noise + 1) + 1) / 2, rtol=1e-6)


def linear(weights, x, time, label):
    """a(t) + b(t) x, both polynomials in t of ``weights [degree + 1, 2]``, in Legendre's basis."""
    u = 2 * time - 1
    basis = [jnp.ones_like(u), u]
    for n in range(1, len(weights) - 1):
        basis.append(((2 * n + 1) * u * basis[-1] - n * basis[-2]) / (n + 1))
    a, b = (jnp.stack(basis, axis=1) @ weights).T
    return wide(a, x) + wide(b, x) * x


def trained(weights, steps=400, batch=1024):
    optimizer = optax.adam(optax.cosine_decay_schedule(0.1, steps))

    def update(carry, step):
        weights, state = carry
        examples = step.astype(jnp.uint32) * batch + jnp.arange(batch, dtype=jnp.uint32)
        noise, data = (
            rng.latent_noise(rng.step_key(0, name, step), examples, 1, (1, 1, 1))
            for name in ("noise", "data")
        )
        time = rectified_flow.times(rng.step_key(0, "time", step), examples)
        x, velocity = rectified_flow.path(MEAN + STD * data, noise, time)

        def loss(weights):
            return rectified_flow.loss(linear(weights, x, time, None), velocity).mean()

        change, state = optimizer.update(jax.grad(loss)(weights), state)
        return (optax.apply_updates(weights, change), state), None

    run = jax.jit(lambda start: jax.lax.scan(update, start, jnp.arange(steps))[0][0])
    return run((weights, optimizer.init(weights)))


def test_a_velocity_trained_by_the_loss_finds_the_closed_form_and_draws_the_target():
    weights = trained(jnp.zeros((7, 2)))
    time = jnp.repeat(jnp.linspace(0.02, 0.98, 25), 41)
    spread = jnp.sqrt((1 - time) ** 2 + time**2 * STD**2)
    x = time * MEAN + spread * jnp.tile(jnp.linspace(-2, 2, 41), 25)
    x = x.reshape(-1, 1, 1, 1, 1)
    exact = gaussian((MEAN, STD), x, time, None)
    error = linear(weights, x, time, None) - exact
    assert jnp.sqrt(jnp.mean(error**2)) < 0.03 * jnp.std(exact)
    drawn = sample(linear, weights, 0, jnp.arange(8), SHAPE, None, 0, Sampling(steps=100))
    np.testing.assert_allclose(drawn, MEAN + STD * noise_of(0, range(8)), atol=0.05)


def test_a_sample_is_the_same_bits_in_any_batch_where_the_velocity_works_per_example():
    whole = np.asarray(sample(by_example, params(), 7, np.arange(8), SHAPE, LABELS, NULL, GUIDED))
    for first, last in ((0, 3), (3, 6), (5, 8), (0, 4), (4, 8)):
        rows = np.arange(first, last)
        part = sample(by_example, params(), 7, rows, SHAPE, LABELS[rows], NULL, GUIDED)
        np.testing.assert_array_equal(part, whole[rows])


def test_a_sample_is_the_same_to_rounding_in_any_batch_and_order():
    whole = np.asarray(sample(network, params(), 7, np.arange(8), SHAPE, LABELS, NULL, GUIDED))
    for rows in (np.arange(3), np.array([6, 1, 5, 2])):
        part = sample(network, params(), 7, rows, SHAPE, LABELS[rows], NULL, GUIDED)
        np.testing.assert_allclose(part, whole[rows], atol=1e-4)
    other = sample(network, params(), 8, range(8), SHAPE, LABELS, NULL, GUIDED)
    assert np.abs(other - whole).max() > 0.5


def test_longer_samples_begin_with_the_noise_of_shorter_ones():
    def still(params, x, time, label):
        return jnp.zeros_like(x)

    short = sample(still, None, 0, [2, 9], SHAPE, None, 0, Sampling(steps=1))
    long = sample(still, None, 0, [9], (5, 2, 2, 3), None, 0, Sampling(steps=1))
    np.testing.assert_array_equal(long[0, :2], short[1])
    np.testing.assert_array_equal(short, noise_of(0, [2, 9]))


def test_eight_devices_draw_what_one_draws_and_send_each_other_no_latents():
    def draw(indices, labels, observed, known):
        return sample(network, params(), 7, indices, SHAPE, labels, NULL, GUIDED, observed, known)

    random = np.random.default_rng(0)
    given = (
        jnp.arange(8),
        LABELS,
        jnp.asarray(random.random((8, 2)) < 0.3),
        jnp.asarray(random.standard_normal((8, *SHAPE), np.float32)),
    )
    split = meshes.over_data(meshes.make_mesh())
    spread = jax.device_put(given, split)
    one, eight = draw(*given), draw(*spread)
    assert len(one.devices()) == 1
    assert eight.sharding.is_equivalent_to(split, eight.ndim)
    np.testing.assert_allclose(eight, one, atol=1e-4)
    program = jax.jit(draw).lower(*spread).compile().as_text()
    for exchange in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert exchange not in program


OBSERVED = jnp.array([[True, False], [True, False], [False, True], [False, False]])


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_what_is_known_comes_back_and_what_is_not_is_never_read(solver):
    random = np.random.default_rng(0)
    known = np.where(
        np.asarray(OBSERVED)[:, :, None, None, None],
        random.standard_normal((4, *SHAPE), np.float32),
        np.nan,
    )
    settings = Sampling(steps=6, solver=solver, guidance=2.0)
    arguments = (network, params(), 7, range(4), SHAPE, LABELS[:4], NULL, settings)
    drawn = np.asarray(sample(*arguments, OBSERVED, known))
    np.testing.assert_array_equal(drawn[OBSERVED], known[OBSERVED])
    assert np.isfinite(drawn).all()
    free = np.asarray(sample(*arguments))
    np.testing.assert_allclose(drawn[3], free[3], atol=1e-6)
    assert np.abs(drawn[:3] - free[:3])[~OBSERVED[:3]].max() > 0.1


def test_the_network_sees_the_known_latents_on_their_straight_path():
    """v = the other group's x; the mean of (1 - t) x_0 + t known over t is (x_0 + known) / 2."""

    def follow(params, x, time, label):
        return x[:, ::-1]

    known = np.random.default_rng(1).standard_normal((4, *SHAPE), np.float32)
    settings = Sampling(steps=3, solver="heun")
    drawn = sample(follow, None, 7, range(2), SHAPE, None, 0, settings, OBSERVED[:2], known[:2])
    noise = noise_of(7, range(2))
    expected = noise[:, 1] + (noise[:, 0] + known[:2, 0]) / 2
    np.testing.assert_allclose(drawn[:, 1], expected, atol=1e-5)


def pair(correlation, x, time, label):
    """Two unit Gaussians: the sum is N(0, 1 + c) and the difference N(0, 1 - c), up to scale."""
    first, second = x[:, :1], x[:, 1:]
    total = gaussian((0.0, jnp.sqrt(1 + correlation)), first + second, time, label)
    apart = gaussian((0.0, jnp.sqrt(1 - correlation)), first - second, time, label)
    return jnp.concatenate([total + apart, total - apart], axis=1) / 2


@pytest.mark.parametrize(
    ("correlation", "expected"),
    [(0.0, (1.0, 0.0, 0.0)), (0.8, (0.7746, 0.2687, 0.3468))],  # the ODE, in float64
)
def test_replacement_is_exact_for_independent_groups_and_too_weak_for_others(correlation, expected):
    """Unknown = a its noise + b the other's noise + c known; exact is a^2 + b^2 = 1 - c^2."""
    known = np.random.default_rng(2).standard_normal((8, 2, 1, 1, 1), np.float32)
    observed = np.array([[True, False]] * 8)
    settings = Sampling(solver="heun")
    drawn = sample(pair, correlation, 0, range(8), (2, 1, 1, 1), None, 0, settings, observed, known)
    noise = noise_of(0, range(8), (2, 1, 1, 1)).reshape(8, 2)
    terms = np.stack([noise[:, 1], noise[:, 0], known[:, 0].ravel()], axis=1)
    shares, *_ = np.linalg.lstsq(terms, np.ravel(drawn[:, 1]))
    np.testing.assert_allclose(shares, expected, atol=2e-3)


def draw(**changes):
    arguments = {
        "velocity": network, "params": params(), "seed": 0, "indices": np.arange(4),
        "shape": SHAPE, "labels": LABELS[:4], "null": NULL, "settings": Sampling(),
    }  # fmt: skip
    return sample(**(arguments | changes))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Sampling(steps=0), "at least 1 step; got steps = 0"),
        (lambda: Sampling(solver="rk4"), "one of euler, heun; got 'rk4'"),
        (lambda: Sampling(shift=0.0), "shift of times is positive.*got 0.0"),
        (lambda: Sampling(guidance=-1.0), "guidance is a scale.*got -1.0"),
        (lambda: Sampling(guided=(0.8, 0.2)), r"first < last.*got \(0.8, 0.2\)"),
        (lambda: Sampling(guided=(0.1,)), "pair of times"),
        (lambda: draw(shape=(2, 2, 3)), r"is \(G, h, w, c\).*got \(2, 2, 3\)"),
        (lambda: draw(indices=np.zeros((4, 1))), r"indices are \[N\].*\(4, 1\)"),
        (lambda: draw(labels=None, settings=GUIDED), "guidance = 3.0 needs labels"),
        (lambda: draw(labels=LABELS), r"labels of 4 samples.*\(4,\); got \(8,\)"),
        (lambda: draw(known=np.zeros((4, *SHAPE))), "observed is missing"),
        (lambda: draw(observed=OBSERVED), "known is missing"),
        (
            lambda: draw(observed=OBSERVED, known=np.zeros((1, *SHAPE))),
            r"known of 4 samples.*\(4, 2, 2, 2, 3\); got \(1, 2, 2, 2, 3\)",
        ),
    ],
)
def test_bad_input_is_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
