import jax
import numpy as np
import pytest

from pv_vae_jax.models.video_vae import VideoVAE
from tests import tiny

CHANNELS = 4
MEAN = np.linspace(-1, 1, CHANNELS, dtype=np.float32)
STD = np.linspace(0.5, 2, CHANNELS, dtype=np.float32)
VIDEO = tiny.batch(withheld=(0,)).video  # uint8 [1, 9, 16, 16, 3]


@pytest.fixture(scope="module")
def vae():
    module = tiny.module()
    return VideoVAE(module, tiny.params(module), MEAN, STD, {"name": "tiny"})


def test_latents_are_the_posterior_mean_normalised_and_decode_undoes_it(vae):
    raw = vae.posterior(VIDEO).mean
    latents = vae.encode(VIDEO)
    assert latents.shape == (1, *vae.spec.latent_shape(9, 16, 16))
    np.testing.assert_allclose(latents, (np.asarray(raw) - MEAN) / STD, atol=1e-6)
    direct = jax.jit(lambda z: vae.module.apply({"params": vae.params}, z, method="decode_raw"))
    np.testing.assert_allclose(vae.decode(latents), np.clip(direct(raw), -1, 1), atol=1e-5)


def test_uint8_and_float_pixels_mean_the_same(vae):
    np.testing.assert_allclose(
        vae.encode(VIDEO / np.float32(127.5) - 1), vae.encode(VIDEO), atol=1e-6
    )


def test_predict_reconstructs_what_it_saw_and_continues_from_it_alone(vae):
    whole = vae.predict(VIDEO[:, :5], 9)
    assert whole.shape == VIDEO.shape and float(abs(whole).max()) <= 1
    np.testing.assert_allclose(whole[:, :5], vae.decode(vae.encode(VIDEO))[:, :5], atol=1e-5)
    observed = np.array([True, True, False]).reshape(1, 3, 1, 1)
    raw = vae.posterior(VIDEO[:, :5]).mean
    padded = vae.module.apply({"params": vae.params}, raw, observed, method="pad")
    np.testing.assert_allclose(whole, vae.decode((np.asarray(padded) - MEAN) / STD), atol=1e-5)


def test_noise_padding_is_a_function_of_the_seed():
    module = tiny.module(padding="gaussian")
    vae = VideoVAE(module, tiny.params(module), MEAN, STD, {})
    futures = [np.asarray(vae.predict(VIDEO[:, :1], 9, seed=seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(futures[0], futures[1])
    assert abs(futures[0] - futures[2])[:, 1:].max() > 1e-3


def test_streams_carry_normalised_latents_and_clamped_video(vae):
    latents = list(vae.encode_stream([VIDEO[:, :5], VIDEO[:, 5:]]))
    np.testing.assert_array_equal(np.concatenate(latents, axis=1), vae.encode(VIDEO))
    video = list(vae.decode_stream(latents))
    np.testing.assert_array_equal(
        np.concatenate(video, axis=1), vae.decode(np.concatenate(latents, axis=1))
    )


@pytest.mark.parametrize(
    "video, sentence",
    [
        (VIDEO.astype(np.float32), r"in \[-1, 1\], got \[.*\]: scale them"),
        (np.full(VIDEO.shape, np.nan, np.float32), r"in \[-1, 1\], got \[nan, nan\]"),
        (VIDEO.astype(np.int32), "uint8 in .* or float in .*, got int32"),
        (VIDEO[0], r"a video is \[B, T, H, W, 3\], .* got shape \(9, 16, 16, 3\)"),
        (VIDEO[:0], r"each at least 1, got shape \(0, 9, 16, 16, 3\)"),
        (VIDEO[:, :0] / 255, r"each at least 1, got shape \(1, 0, 16, 16, 3\)"),
        (VIDEO.tolist(), "a video is an array .* got a list"),
        (VIDEO[:, :7], r"1 \+ 4n frames, got 7: cut to 5 or pad to 9"),
        (VIDEO[:, :, :, :15], "width of a clip is a multiple of 16, got 15: pad to 16"),
    ],
    ids=["range", "nan", "type", "rank", "none", "empty", "list", "length", "size"],
)
def test_a_video_that_does_not_fit_is_refused_with_a_sentence(vae, video, sentence):
    with pytest.raises(ValueError, match=sentence):
        vae.encode(video)


def test_other_input_that_does_not_fit_is_refused_with_a_sentence(vae):
    with pytest.raises(ValueError, match=r"latents of t4s16c4 are .* got shape \(1, 1, 1, 1, 5\)"):
        vae.decode(np.zeros((1, 1, 1, 1, 5), np.float32))
    with pytest.raises(ValueError, match=r"each at least 1, got shape \(1, 0, 1, 1, 4\)"):
        vae.decode(np.zeros((1, 0, 1, 1, 4), np.float32))
    with pytest.raises(ValueError, match="9 frames are observed and 5 wanted"):
        vae.predict(VIDEO, 5)
    with pytest.raises(ValueError, match="a video is an array .* got a list"):
        vae.predict(VIDEO.tolist(), 9)
    with pytest.raises(ValueError, match=r"1 \+ 4n frames, got 12"):
        vae.predict(VIDEO, 12)
    with pytest.raises(ValueError, match=r"latent mean is a vector \[4\], got shape \(3,\)"):
        VideoVAE(vae.module, vae.params, MEAN[:3], STD, {})
    with pytest.raises(ValueError, match="latent std is positive, got a least of 0"):
        VideoVAE(vae.module, vae.params, MEAN, 0 * STD, {})
