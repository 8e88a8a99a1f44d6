"""Samples by batches, into a folder, decoded in a stream."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pv_vae_jax as pv
from pv_vae_jax.core import pixels
from pv_vae_jax.generation import drawing
from pv_vae_jax.generation.folder import DECODER, SamplesFolder
from pv_vae_jax.generation.sampler import Sampling
from pv_vae_jax.zoo import registry
from tests import tiny
from tests.models.test_generator import generator_of


@pytest.fixture(scope="module")
def vae():
    return registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW)


@pytest.fixture(scope="module")
def drawn(vae):
    return drawing.Drawing(generator_of(vae), 5, Sampling(steps=2))


def test_a_sample_does_not_depend_on_the_batch_and_batches_are_cut(drawn):
    labels = drawing.labels_in_turn(3, 11)
    assert labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    one = list(drawn.latents(range(11), labels, 8))
    assert [len(batch) for batch in one] == [8, 3]
    again = list(drawn.latents([10, 4], labels[[10, 4]], 8))
    np.testing.assert_allclose(again[0], np.concatenate(one)[[10, 4]], atol=1e-5)


def test_no_more_samples_are_drawn_than_are_wanted(vae, monkeypatch):
    drawn, sample = [], drawing.sampler.sample
    monkeypatch.setattr(drawing.local, "devices", lambda: 1)
    monkeypatch.setattr(drawing.local, "split", jnp.asarray)
    monkeypatch.setattr(
        drawing.sampler, "sample", lambda *args: drawn.append(len(args[3])) or sample(*args)
    )
    assert len(drawing.sample(generator_of(vae), 2, steps=1)) == 2
    assert drawn == [2]


def test_parameters_are_not_sent_to_the_devices_with_each_batch(vae, drawn):
    latents, decoder = np.zeros((8, *drawn.shape), np.float32), drawing.Decoder(vae)
    decoder(latents)
    placed = drawing.local.split(latents)
    with jax.transfer_guard_device_to_device("disallow"):
        decoder._vae._decoded(placed)
        with pytest.raises(RuntimeError, match="Disallowed device-to-device transfer"):
            vae._decoded(placed)


def test_a_sample_without_a_label_is_of_the_null_class(drawn):
    none = next(drawn.latents([4], None, 8))
    null = next(drawn.latents([4], np.array([-1]), 8))
    np.testing.assert_array_equal(none, null)


def test_videos_are_those_of_the_decoder_in_any_number(vae, drawn):
    latents = next(drawn.latents(range(3), drawing.labels_in_turn(3, 3), 8))
    videos = drawing.Decoder(vae)(latents)
    assert videos.shape == (3, 5, 16, 16, 3) and videos.dtype == np.uint8
    whole = np.asarray(pixels.to_uint8(vae.decode(latents)))
    assert np.abs(videos.astype(int) - whole).max() <= 1  # rounding, on eight devices


def test_a_folder_goes_on_with_what_is_missing_and_refuses_other_samples(tmp_path):
    folder = SamplesFolder(tmp_path / "samples")
    with pytest.raises(FileNotFoundError, match="has no generation.json"):
        folder.about()
    folder.open({"seed": 1, "settings": {"guided": (0.0, 1.0)}})
    folder.open({"seed": 1, "settings": {"guided": [0.0, 1.0]}})
    assert folder.about()["seed"] == 1
    with pytest.raises(ValueError, match="holds other samples: seed differ"):
        folder.open({"seed": 2, "settings": {"guided": (0.0, 1.0)}})
    folder.open({"decoder": "a"}, DECODER)
    with pytest.raises(ValueError, match="decoder differ from decoder.json"):
        folder.open({"decoder": "b"}, DECODER)
    latents = np.arange(8, dtype=np.float32).reshape(2, 1, 1, 4)
    folder.keep(1, latents)
    assert folder.without_latents(range(3)) == [0, 2]
    np.testing.assert_array_equal(folder.read(1), latents)
    folder.write_video(2, np.zeros((5, 16, 16, 3), np.uint8), 8.0)
    assert folder.without_video(range(3)) == [0, 1]


def test_a_batch_of_none_is_a_sentence(drawn):
    with pytest.raises(ValueError, match="at least 1 sample, got 0"):
        next(drawn.latents([0], None, 0))


def test_one_call_draws_the_first_samples_of_a_seed(drawn):
    wanted = np.concatenate(list(drawn.latents(range(3), drawing.labels_in_turn(3, 3), 8)))
    np.testing.assert_array_equal(pv.sample(drawn.generator, 3, seed=5, steps=2), wanted)
    with pytest.raises(ValueError, match="knows the classes 0 to 2; got the label 9"):
        pv.sample(drawn.generator, 1, labels=[9])
    with pytest.raises(ValueError, match="guidance is a scale"):
        pv.sample(drawn.generator, 1, guidance=-1.0)
    with pytest.raises(ValueError, match="at least 1 sample is drawn, got 0"):
        pv.sample(drawn.generator, 0)
