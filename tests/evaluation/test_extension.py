"""Clips continued: the figures by hand, and what is refused."""

import dataclasses

import numpy as np
import pytest

from pv_vae_jax.evaluation import extension
from pv_vae_jax.generation import drawing
from pv_vae_jax.generation.sampler import Sampling
from pv_vae_jax.models.video_vae import VideoVAE
from tests.models.test_generator import generator_of


def test_the_errors_are_those_of_the_withheld_frames_by_hand():
    def clip(value):
        video = np.full((1, 5, 16, 16, 3), 100, np.uint8)
        video[:, 1:] = value
        return video

    found = extension.Extended(clip(110), np.stack([clip(114), clip(102)]), clip(107), clip(111))
    errors = {name: float(value[0]) * 127.5**2 for name, value in found.errors(1).items()}
    assert errors == pytest.approx(
        {"sample": (16 + 64) / 2, "mean": 4, "best": 16, "predict": 9, "reconstruction": 1,
         "repeat": 100}
    )  # fmt: skip
    figures = extension.figures([found.errors(1), found.errors(1)])
    assert figures["mean"].relative == pytest.approx(-0.96)
    table = extension.text(figures, {"clips": 2, "frames": 5, "observe": 1, "samples": 2})
    assert "| flow, mean of the samples | 0.00025 | -96.0% [-96.0, -96.0] |" in table


@pytest.fixture(scope="module")
def drawn(vae):
    return drawing.Drawing(generator_of(vae), 0, Sampling(steps=2))


def test_what_is_seen_is_decoded_from_its_own_latents(vae, drawn):
    video = np.random.default_rng(0).integers(0, 256, (2, 5, 16, 16, 3), np.uint8)
    found = extension.extended(drawn, vae, video, 1, 2, np.array([0, 1]))
    assert found.samples.shape == (2, *video.shape)
    np.testing.assert_allclose(
        found.samples[:, :, 0].astype(int), found.predict[None, :, 0].repeat(2, 0), atol=1
    )
    assert (found.samples[0] != found.samples[1]).any()


def test_what_cannot_be_continued_is_a_sentence(vae, drawn):
    video = np.zeros((1, 5, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="--observe 5 of 5 frames: at least 1, and not all"):
        extension.extended(drawn, vae, video, 5, 1, None)
    spec = dataclasses.replace(vae.spec, encoder_causal=False)
    module = vae.module.clone(spec=spec)
    with pytest.raises(ValueError, match="take a video VAE with a causal encoder"):
        extension.extended(
            drawn, VideoVAE(module, vae.params, vae.mean, vae.std, vae.config), video, 1, 1, None
        )
