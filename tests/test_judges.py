"""LPIPS and GAN in equation (1): values and gradients against the whole in one piece.

The judges are small functions, the model two matrices, so that the sum is what is tested.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax import objective
from pv_vae_jax.core import rng, trees
from pv_vae_jax.withholding import observed_frames, observed_pixels
from tests import tiny

MODULE = tiny.LinearVAE()
WEIGHTS = {"mse": 1.0, "lpips": 0.7, "gan": 0.3, "kl": 0.01}
DRAWN = np.array([[1, 0, 1, 1, 0, 0, 1, 0, 1], [0, 0, 1, 0, 1, 1, 0, 0, 1]] * 2, bool)


def perceptual(video, target):
    """A value for each frame, no distance of pixels alone."""
    return jnp.mean(jnp.tanh(video - target) ** 2 * (2 + target), axis=(2, 3, 4))


def lpips(video, target):
    return perceptual(video, target), jnp.asarray(DRAWN)


def gan(video, seen):
    shown = jnp.all(seen, axis=(2, 3))[:, :, None, None, None]
    return -jnp.mean(jnp.sin(2 * video) * jnp.where(shown, 1.0, 3.0), axis=(1, 2, 3, 4))


def keys():
    return objective.Keys(rng.step_key(0, "latent", 3), rng.step_key(0, "padding", 3))


def batch_of(cells):
    """Of 9 frames, whole frames withheld or cells of them."""
    if not cells:
        return tiny.batch((0, 1, 2, 1))
    batch = tiny.batch((0, 0, 0, 0), size=32)
    observed = np.random.default_rng(1).random((4, 3, 2, 2)) < 0.6
    observed[1] = True  # an example of which nothing is withheld
    return batch.replace(observed=observed)


def terms(params, batch, loss):
    """MSE, LPIPS, GAN and KL of equation (1), each a mean over the examples that have some."""
    target, video, posterior = objective.predict(MODULE, params, batch, keys(), withheld=0)
    seen = observed_frames(batch.observed, 4)
    height, width = video.shape[2:4]
    scored = video
    if loss == "withheld":
        scored = jnp.where(observed_pixels(seen, height, width), target, video)
    _, _, h, w = seen.shape
    places = ((scored - target) ** 2).reshape(4, 9, h, height // h, w, width // w, 3)
    places = places.mean(axis=(3, 5, 6))
    everywhere, drawn = jnp.ones(seen.shape, bool), jnp.asarray(DRAWN)
    counted = everywhere if loss == "all" else ~seen
    frames = drawn if loss == "all" else drawn & ~jnp.all(seen, axis=(2, 3))

    def mean(values, where):
        axes = tuple(range(1, values.ndim))
        count = jnp.sum(where, axes)
        each = jnp.sum(values * where, axes) / jnp.maximum(count, 1)
        examples = 4 if loss == "all" else jnp.maximum(jnp.sum(count > 0), 1)
        return jnp.sum(each) / examples

    nats = 0.5 * (posterior.mean**2 + jnp.exp(posterior.logvar) - 1 - posterior.logvar)
    nats = nats.mean(axis=-1)  # of each place of the latents
    shown = jnp.broadcast_to(batch.observed, nats.shape)
    kl = jnp.mean(jnp.sum(nats * shown, (1, 2, 3)) / jnp.maximum(jnp.sum(shown, (1, 2, 3)), 1))
    return {
        "mse": mean(places, counted),
        "lpips": mean(perceptual(scored, target), frames),
        "gan": jnp.mean(gan(video, seen)),
        "kl": kl,
    }


@functools.partial(jax.jit, static_argnums=(2, 3))
def ours(params, batch, loss, balance):
    judges = objective.Judges(lpips=lpips, gan=gan, balance=balance)
    gradient, report, _ = objective.value_and_gradient(
        MODULE, params, {}, batch, WEIGHTS, keys(), judges=judges, loss=loss
    )
    return gradient, report


@functools.partial(jax.jit, static_argnums=2)
def by_hand(params, batch, loss):
    values = terms(params, batch, loss)
    return values, {
        name: jax.grad(lambda p, name=name: terms(p, batch, loss)[name])(params) for name in values
    }


@pytest.mark.parametrize(
    ("cells", "loss", "balance"),
    [
        (False, "all", "fixed"),
        (False, "all", "adaptive"),
        (False, "withheld", "fixed"),
        (True, "all", "fixed"),
        (True, "withheld", "fixed"),
    ],
)
def test_the_gradient_is_that_of_the_weighted_sum_of_the_terms(cells, loss, balance):
    params, batch = tiny.params(MODULE), batch_of(cells)
    gradient, report = ours(params, batch, loss, balance)
    values, parts = by_hand(params, batch, loss)
    weights = dict(WEIGHTS)
    if balance == "adaptive":

        def norm(names):
            kernel = sum(WEIGHTS[n] * parts[n]["decoder"]["kernel"] for n in names)
            return jnp.linalg.norm(kernel)

        ratio = norm(["mse", "lpips"]) / (norm(["gan"]) / WEIGHTS["gan"] + 1e-6)
        np.testing.assert_allclose(report["gan/lambda"][0], ratio, rtol=1e-5)
        weights["gan"] *= ratio
        assert abs(float(ratio) - 1) > 0.1
    total = sum(weights[name] * value for name, value in values.items())
    np.testing.assert_allclose(report["total"][0] / report["total"][1], total, rtol=1e-5)
    expected = jax.tree.map(lambda *g: sum(w * x for w, x in zip(weights.values(), g, strict=True)),
                            *(parts[name] for name in weights))  # fmt: skip
    for path, leaf in trees.flatten(expected).items():
        difference = float(jnp.linalg.norm(trees.flatten(gradient)[path] - leaf))
        assert difference <= 2e-5 * float(jnp.linalg.norm(leaf)) + 1e-9, path
    for name in ("mse", "lpips", "gan"):  # each moves the result, so each is tested
        assert float(jnp.linalg.norm(parts[name]["decoder"]["bias"])) > 1e-4
