"""Equation (1) of the paper: its terms, its two exact ways, its weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax import objective
from pv_vae_jax.core import pixels, rng, trees
from tests import tiny

WEIGHTS = {"mse": 1.0, "difference": 0.5, "kl": 0.01}


@pytest.fixture(scope="module")
def module():
    return tiny.module(**tiny.SHALLOW)


@pytest.fixture(scope="module")
def params(module):
    return tiny.params(module)


def keys():
    return objective.Keys(rng.step_key(0, "latent", 3), rng.step_key(0, "padding", 3))


@functools.partial(jax.jit, static_argnums=(0, 1))
def value_and_gradient(module, withheld, params, batch):
    gradient, report, _ = objective.value_and_gradient(
        module, params, {}, batch, WEIGHTS, keys(), withheld
    )
    total, examples = report["total"]
    return (total / examples, report), gradient


def test_the_posterior_is_sampled_with_noise_of_its_own_stream_and_padding_with_another(
    module, params
):
    gaussian = tiny.module(**(tiny.SHALLOW | {"padding": "gaussian"}))
    batch, variables = tiny.batch(withheld=(1, 2)), {"params": params}
    variables["params"] = {k: v for k, v in params.items() if k != "padding"}

    @jax.jit
    def both(variables):
        _, found, posterior = objective.predict(gaussian, variables["params"], batch, keys(), 0)
        shape = (3, *posterior.mean.shape[2:])
        noise, pads = (
            rng.latent_noise(key, batch.index, shape[0], shape[1:])
            for key in (keys().latent, keys().padding)
        )
        latents = posterior.mean + jnp.exp(posterior.logvar / 2) * noise
        latents = jnp.where(batch.observed[..., None], latents, pads)
        return found, gaussian.apply(variables, latents, method="decode_raw")

    found, wanted = both(variables)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("withheld", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_mask_and_slice_agree(module, params, withheld):
    mask_and_slice_agree(module, params, withheld)


@pytest.mark.slow
@pytest.mark.parametrize("withheld", [1, 2])
@pytest.mark.parametrize("build", [tiny.transformer, tiny.hybrid])
def test_mask_and_slice_agree_with_transformer_blocks(build, withheld):
    # of one token alone the softmax is 1, and its gradient nothing but rounding
    mask_and_slice_agree(build(), tiny.params(build()), withheld, size=32)


def mask_and_slice_agree(module, params, withheld, size=16):
    batch = tiny.batch(withheld=(withheld,) * 4, size=size)
    (masked, masked_report), masked_gradient = value_and_gradient(module, 0, params, batch)
    (sliced, sliced_report), sliced_gradient = value_and_gradient(module, withheld, params, batch)
    np.testing.assert_allclose(sliced, masked, rtol=1e-6)
    for name, pair in masked_report.items():
        np.testing.assert_allclose(sliced_report[name], pair, rtol=2e-6)
    masked_flat, sliced_flat = trees.flatten(masked_gradient), trees.flatten(sliced_gradient)
    assert sum(float(jnp.linalg.norm(leaf)) > 0 for leaf in masked_flat.values()) > 30
    for path, leaf in masked_flat.items():
        difference = float(jnp.linalg.norm(sliced_flat[path] - leaf))
        assert difference <= 1e-5 * float(jnp.linalg.norm(leaf)), path


def test_the_report_is_that_of_numpy(module, params):
    batch = tiny.batch(withheld=(0, 1, 2, 1))
    predict = jax.jit(lambda p, b: objective.predict(module, p, b, keys(), withheld=0))
    target, video, posterior = jax.tree.map(np.asarray, predict(params, batch))
    (total, report), _ = value_and_gradient(module, 0, params, batch)
    groups = batch.observed[:, :, 0, 0]
    seen = np.repeat(groups, (1, 4, 4), axis=1)
    error = ((video - target) ** 2).mean(axis=(2, 3, 4))
    moved = np.diff(video - target, axis=1)
    difference = (moved**2).mean(axis=(2, 3, 4))
    nats = 0.5 * (posterior.mean**2 + np.exp(posterior.logvar) - 1 - posterior.logvar)
    nats = nats.mean(axis=(2, 3, 4))
    expected = {
        "mse": error.mean(),
        "mse/observed": error[seen].mean(),
        "mse/withheld": error[~seen].mean(),
        "difference": difference.mean(),
        "difference/observed": difference[seen[:, 1:]].mean(),
        "difference/withheld": difference[~seen[:, 1:]].mean(),
        "kl": nats[groups].mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(report[name][0] / report[name][1], value, rtol=1e-5)
    per_example = np.array([n[o].mean() for n, o in zip(nats, groups, strict=True)])
    by_hand = expected["mse"] + 0.5 * expected["difference"] + 0.01 * per_example.mean()
    np.testing.assert_allclose(total, by_hand, rtol=1e-5)


def test_the_gradient_is_that_of_the_total_in_one_piece(module, params):
    batch = tiny.batch(withheld=(0, 1, 2, 1))
    (total, _), gradient = value_and_gradient(module, 0, params, batch)

    @jax.jit
    @jax.value_and_grad
    def whole(params):
        target, video, posterior = objective.predict(module, params, batch, keys(), withheld=0)
        error = video - target
        nats = 0.5 * (posterior.mean**2 + jnp.exp(posterior.logvar) - 1 - posterior.logvar)
        groups = batch.observed[:, :, 0, 0]
        per_group = nats.mean(axis=(2, 3, 4)) * groups
        return (
            jnp.mean(error**2)
            + 0.5 * jnp.mean(jnp.diff(error, axis=1) ** 2)
            + 0.01 * jnp.mean(per_group.sum(axis=1) / groups.sum(axis=1))
        )

    expected, expected_gradient = whole(params)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    for path, leaf in trees.flatten(expected_gradient).items():
        difference = float(jnp.linalg.norm(trees.flatten(gradient)[path] - leaf))
        assert difference <= 2e-5 * float(jnp.linalg.norm(leaf)), path


def test_withheld_pixels_do_not_reach_the_prediction(module, params):
    batch = tiny.batch(withheld=(1, 1, 2, 2))
    garbled = np.array(batch.video)
    garbled[:2, 5:] = 255 - garbled[:2, 5:]
    garbled[2:, 1:] = 7
    predict = jax.jit(lambda p, b: objective.predict(module, p, b, keys(), withheld=0)[1])
    np.testing.assert_array_equal(
        predict(params, batch), predict(params, batch.replace(video=garbled))
    )


def test_the_padding_token_is_trained_only_where_something_is_withheld(module, params):
    _, gradient = value_and_gradient(module, 0, params, tiny.batch(withheld=(0, 0, 0, 0)))
    assert float(jnp.abs(gradient["padding"]["token"]).max()) == 0
    _, gradient = value_and_gradient(module, 0, params, tiny.batch(withheld=(0, 0, 0, 1)))
    assert float(jnp.abs(gradient["padding"]["token"]).max()) > 0


def test_a_weight_of_zero_removes_its_term():
    assert objective.check_weights({"mse": 1.0, "kl": 0.0, "lpips": 0.0}) == {"mse": 1.0}


@pytest.mark.parametrize(
    "weights, sentence",
    [
        (
            {"mse": 1.0, "ssim": 1.0},
            "weights.ssim: no such term; the terms are mse, ",
        ),
        ({"mse": -1.0}, "weights.mse is -1.0; a weight is at least 0"),
        ({"kl": 1.0, "gan": 1.0}, "at least one weight of mse, difference"),
    ],
)
def test_a_weight_that_cannot_be_is_refused(weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        objective.check_weights(weights)


def test_pixels_go_to_float_and_back():
    levels = np.arange(256, dtype=np.uint8)
    there = pixels.to_float(levels)
    assert float(there.min()) == -1 and float(there.max()) == 1
    np.testing.assert_array_equal(pixels.to_uint8(there), levels)
