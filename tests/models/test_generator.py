"""A generator says whose latents it makes and what labels it takes."""

import jax
import numpy as np
import pytest

from pv_vae_jax.checkpoint import export, generator_export
from pv_vae_jax.core import trees
from pv_vae_jax.models import identity, latte_sizes
from pv_vae_jax.models.generator import Generator, LatentForm
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry
from tests import tiny

FIELDS = {"channels": 4, "width": 16, "depth": 2, "heads": 2}


@pytest.fixture(scope="module")
def vae():
    return registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW)


def generator_of(vae, classes=3):
    fields = latte_sizes.fields("latte_tiny", **FIELDS, classes=classes)
    module = latte_sizes.build("latte_tiny", **fields)
    params = jax.jit(lambda key: latte_sizes.initial(module, key))(jax.random.key(0))
    form = LatentForm(identity.identity(vae), (2, 1, 1, 4), ("a", "b", "c")[:classes])
    return Generator(module, params, form, {"name": "latte_tiny", "fields": fields})


def other(vae, branch):
    """The same model with one branch of its parameters changed."""
    params = dict(vae.params)
    params[branch] = jax.tree.map(lambda leaf: leaf + 0.01, params[branch])
    return VideoVAE(vae.module, params, vae.mean, vae.std, vae.config)


def test_a_decoder_may_be_swapped_and_an_encoder_may_not(vae):
    generator = generator_of(vae)
    generator.check(vae)
    generator.check(other(vae, "decoder"))
    with pytest.raises(ValueError, match="generator's latents were made by other weights of the"):
        generator.check(other(vae, "encoder"))


def test_other_statistics_are_refused_by_name(vae):
    moved = VideoVAE(vae.module, vae.params, vae.mean, 2 * vae.std, vae.config)
    with pytest.raises(ValueError, match="with other latent statistics: the std of 4 of 4"):
        generator_of(vae).check(moved)


def test_an_export_is_the_generator_it_was_written_from(vae, tmp_path):
    generator = generator_of(vae)
    for ending in (".npz", ".safetensors"):
        path = tmp_path / f"generator{ending}"
        generator_export.save(path, generator, {"step": 7})
        loaded = generator_export.load(path)
        assert loaded.latents == generator.latents and loaded.config == generator.config
        assert loaded.velocity == generator.velocity  # one program for both
        assert trees.digest(loaded.params) == trees.digest(generator.params)
        loaded.check(vae)
    assert generator_export.read_metadata(path)["training"] == {"step": 7}
    with np.load(tmp_path / "generator.npz", allow_pickle=False) as file:
        assert "params/block_0/attention/qkv/kernel" in file.files


def test_each_kind_of_export_is_told_from_the_other(vae, tmp_path):
    generator_export.save(tmp_path / "generator.npz", generator_of(vae))
    export.save(tmp_path / "vae.npz", vae)
    with pytest.raises(ValueError, match="holds a generator, not a video VAE"):
        export.load(tmp_path / "generator.npz")
    with pytest.raises(ValueError, match="holds a video VAE, not a generator"):
        generator_export.load(tmp_path / "vae.npz")


def test_labels_that_it_does_not_know_are_a_sentence(vae):
    generator, unconditional = generator_of(vae), generator_of(vae, classes=0)
    assert generator.conditioned(None, 2).tolist() == [3, 3]  # the null class
    assert generator.conditioned([2, -1], 2).tolist() == [2, -1]
    assert unconditional.conditioned(None, 2) is None
    with pytest.raises(ValueError, match="knows the classes 0 to 2; got the label 3"):
        generator.check_labels(np.array([0, 3]))
    with pytest.raises(ValueError, match="is unconditional: it takes no labels"):
        unconditional.check_labels([0])


def test_latents_of_other_channels_are_a_sentence(vae):
    generator = generator_of(vae)
    form = LatentForm(generator.latents.identity, (2, 1, 1, 8))
    with pytest.raises(ValueError, match="makes 4 channels, its latents have 8"):
        Generator(generator.module, generator.params, form, generator.config)
