"""What probes are fed is what the networks say when they are called directly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.analysis.probe_features import Fed
from pv_vae_jax.core import rng
from pv_vae_jax.models import identity, latte_sizes
from pv_vae_jax.models.generator import Generator, LatentForm
from pv_vae_jax.models.video_vae import VideoVAE
from tests import tiny

FIELDS = {"channels": 4, "width": 16, "depth": 4, "heads": 2, "classes": 3}


def linear(scale):
    module = tiny.LinearVAE()
    params = jax.tree.map(lambda leaf: scale * leaf, tiny.params(module))
    return VideoVAE(module, params, np.zeros(4), np.ones(4), {"name": "linear", "fields": {}})


@pytest.fixture(scope="module")
def vae():
    return linear(1.0)


@pytest.fixture(scope="module")
def generator(vae):
    fields = latte_sizes.fields("latte_tiny", **FIELDS)
    module = latte_sizes.build("latte_tiny", **fields)
    params = jax.jit(lambda key: latte_sizes.initial(module, key))(jax.random.key(0))
    params = jax.tree.map(lambda p: p + 0.05, params)  # a fresh Latte's blocks do nothing
    form = LatentForm(identity.identity(vae), (2, 1, 1, 4), ("a", "b", "c"))
    return Generator(module, params, form, {"name": "latte_tiny", "fields": fields})


@pytest.fixture(scope="module")
def clips():
    return tiny.batch((0,) * 10, frames=5).video


def test_latents_are_those_of_the_video_vae(vae, clips):
    fed = Fed(vae)
    assert (fed.name, fed.cell, fed.settings) == ("latents", 16, {"fed": "latents"})
    np.testing.assert_allclose(
        fed.of(clips, 0, 1), np.asarray(vae.encode(clips)), rtol=1e-4, atol=1e-5
    )


def test_features_are_those_of_the_layer_at_the_time_without_a_label(vae, generator, clips):
    fed = Fed(vae, generator, layer=3, time=0.6, seed=5)
    z = vae.encode(clips)
    noise = rng.latent_noise(
        rng.stream_key(5, "probes"), jnp.arange(7, 17, dtype=jnp.uint32), 2, (1, 1, 4)
    )
    x = 0.4 * noise + 0.6 * z
    network = jax.jit(functools.partial(generator.module.apply, features=(2, 3)))
    null = jnp.full(10, 3)
    _, kept = network({"params": generator.params}, x, jnp.full(10, 0.6), null)
    found = fed.of(clips, 7, 1)
    np.testing.assert_allclose(found, kept[3], rtol=1e-3, atol=1e-4)
    assert np.abs(found - kept[2]).max() > 0.01


def test_the_default_layer_is_the_middle(vae, generator):
    fed = Fed(vae, generator)
    assert fed.settings == {"fed": "features", "seed": 0, "layer": 2, "depth": 4, "time": 0.8}


def test_a_clip_has_its_features_in_any_batch(vae, generator, clips):
    fed = Fed(vae, generator)
    np.testing.assert_allclose(
        fed.of(clips, 0, 1)[3:], fed.of(clips[3:], 3, 1), rtol=1e-4, atol=1e-5
    )


def test_what_does_not_exist_or_fit_is_a_sentence(vae, generator):
    with pytest.raises(ValueError, match="are 1 to 4; got 5"):
        Fed(vae, generator, layer=5)
    with pytest.raises(ValueError, match="got 1.5"):
        Fed(vae, generator, time=1.5)
    with pytest.raises(ValueError, match="other weights of the encoder"):
        Fed(linear(2.0), generator)
