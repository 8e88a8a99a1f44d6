"""Seams, grids and receptive fields are found where they were put."""

import dataclasses

import jax
import numpy as np
import pytest

import pv_vae_jax as pv
from pv_vae_jax.evaluation import receptive_field, seams, spectrum
from pv_vae_jax.models.video_vae import VideoVAE
from tests import tiny


@pytest.fixture(scope="module")
def linear():
    """A model whose latents see nothing of one another."""
    module = tiny.LinearVAE()
    params = jax.jit(module.init)(jax.random.key(0), np.zeros((1, 1, 16, 16, 3)))["params"]
    return VideoVAE(module, params, np.zeros(4), np.ones(4), {})


def test_a_seam_by_hand():
    whole = np.zeros((3, 4, 5, 3))
    pieces = whole.copy()
    pieces[1:, :, 2] = 0.1
    found = seams.between(pieces, whole)
    assert found.decibels == pytest.approx(10 * np.log10(4 / (0.01 * 2 / 15)))
    np.testing.assert_allclose(found.columns, [0, 0, 0.1 * 2 / 3, 0, 0])
    np.testing.assert_allclose(found.rows, 0.1 * 2 / 15)
    np.testing.assert_allclose(found.frames, [0, 0.02, 0.02])
    assert found.picture.shape == (4, 5)
    figures = found.figures()
    assert figures["columns"] == {"worst": 2, "over_the_mean": pytest.approx(5)}
    assert seams.between(whole, whole).decibels == seams.MOST


def test_the_seam_of_tiles_is_at_their_cut_and_exact_tiles_have_none(vae):
    video = np.random.default_rng(0).integers(0, 256, (1, 64, 128, 3), np.uint8)
    blended = seams.of_tiles(vae, pv.tile(vae, 64, 80, 0, blended=True), video)
    columns = blended.columns.reshape(-1, 16).mean(axis=1)
    cuts = {3, 4, 5}  # a tile is 5 latents, the last against the edge: cuts at 3 and 5
    assert int(columns.argmax()) in cuts and blended.decibels < 60
    exact = seams.of_tiles(vae, pv.tile(vae, 64, 80), video)
    assert exact.decibels > 100 > blended.decibels


@pytest.mark.slow
def test_chunks_of_an_exact_stream_have_no_seam_and_tiles_of_time_have(vae):
    video = np.random.default_rng(0).integers(0, 256, (33, 16, 16, 3), np.uint8)
    assert seams.of_chunks(vae, video, piece=2).decibels > 100
    spec = dataclasses.replace(vae.spec, streaming="none", encoder_causal=False)
    whole_alone = VideoVAE(vae.module.clone(spec=spec), vae.params, vae.mean, vae.std, vae.config)
    found = seams.of_chunks(whole_alone, video, piece=2)  # tiles of 17 frames, 12 apart
    assert found.decibels < 100 and found.frames[:13].max() < found.frames[13:].max()


def test_a_grid_is_found_at_its_period_and_noise_has_its_share():
    n, x = 64, np.mgrid[:64, :64][1]
    power = np.abs(np.fft.fft2((x % 8 == 0) * 1.0)) ** 2
    assert spectrum.of_power(power, 8) == pytest.approx(1)
    assert spectrum.of_power(power, 16) == pytest.approx(1)  # what repeats every 8 does every 16
    assert spectrum.of_power(power, 4) < 0.5
    noise = np.random.default_rng(0).standard_normal((200, n, n))
    power = np.square(np.abs(np.fft.fft2(noise))).mean(axis=0)
    shares = {period: spectrum.of_power(power, period) for period in (2, 4, 8, 16)}
    found = spectrum.Spectrum(noise[0], power, 0.0, shares)
    assert shares == pytest.approx(found.noise, rel=0.1)
    assert found.noise[2] == pytest.approx(0.0007, abs=5e-5)
    assert found.noise[16] == pytest.approx(0.062, abs=5e-4)
    assert spectrum.of_power(np.zeros((8, 8)), 4) == 0.0


def test_patches_that_know_nothing_of_one_another_repeat_in_full(linear, vae):
    found = spectrum.of_colours(linear, 5, 64)
    assert found.shares[16] == pytest.approx(1) and found.shares[2] < found.shares[16]
    assert list(found.shares) == [2, 4, 8, 16]
    assert found.deviation > 1 and found.residual.shape == (32, 32, 3)
    with pytest.raises(ValueError, match="use a size of 32, got 16"):
        spectrum.of_colours(linear, 5, 16)


def test_receptive_field_of_patches(linear):
    field = receptive_field.of_model(linear, 13, 48)
    assert field == {"latent": dict.fromkeys("thw", (0, 0)), "pixel": dict.fromkeys("thw", (0, 0))}


def analytic(blocks, convolutions):
    """(frames, latents) that a causal model of two time strides of 2 sees before: its layers.

    ``convolutions``: over time beside those of the blocks, at the rate of the latents.
    """
    frames = 2 * (2 * blocks[2] + convolutions)
    for count in (blocks[1], blocks[0]):
        frames = 2 * frames + 1 + 4 * count  # a strided one reads a frame beyond its own two
    frames += 2  # the first convolution

    first = -3 - 2 - 4 * blocks[0] - 2  # of group 0 at frame 0: its frame, last convolution, up
    first = -(-first // 2) - 4 * blocks[1] - 2  # frame f repeats frame ceil(f / 2)
    latents = -first // 2 + 2 * (2 * blocks[2] + convolutions)
    return frames, latents


@pytest.mark.parametrize("blocks", [(0, 0, 0), pytest.param((1, 0, 1), marks=pytest.mark.slow)])
def test_receptive_field_of_the_cnn_is_the_analytic_one(blocks):
    fields = tiny.FIELDS | {"encoder_blocks": blocks, "decoder_blocks": blocks}
    vae = pv.create("pv_vae_tiny", **fields)
    frames, latents = analytic(blocks, convolutions=5)  # two blocks of the middle, and one
    found = receptive_field.of_model(vae, 1 + 8 * (latents + 2), 16)
    assert found["latent"]["t"] == (frames, 0)
    assert found["pixel"]["t"] == (latents, 0)


def test_attention_sees_all_of_a_frame_and_no_later_one(vae):
    found = receptive_field.of_model(vae, 5, 48)
    assert found["latent"]["h"] == found["pixel"]["w"] == (None, None)
    assert found["latent"]["t"] == (None, 0)
