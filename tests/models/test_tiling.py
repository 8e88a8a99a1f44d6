"""Tiles of large frames: those of the CNN give the result of whole frames, others are blended."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pv_vae_jax as pv
from pv_vae_jax.models import tiled_vae, tiling
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry
from tests import tiny

FRAMES, HEIGHT, WIDTH = 5, 80, 112


def model(**fields):
    module = tiny.module(**(tiny.SHALLOW | fields))
    return VideoVAE(module, tiny.params(module), np.zeros(4), np.ones(4), {})


@pytest.fixture(scope="module")
def vae():
    return model()


@pytest.fixture(scope="module")
def clip():
    return np.random.default_rng(0).uniform(-1, 1, (1, FRAMES, HEIGHT, WIDTH, 3)).astype("float32")


@pytest.fixture(scope="module")
def whole(vae, clip):
    latents = vae.encode(clip)
    return latents, vae.decode(latents, clamp=False)


def assert_near(found, wanted):
    """Equal to 1e-5 of the largest value."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_exact_tiles_give_the_latents_and_the_video_of_whole_frames(vae, clip, whole):
    tiled = pv.tile(vae, 48, 64)
    latents = tiled.encode(clip)
    assert_near(latents, whole[0])
    assert_near(tiled.decode(whole[0], clamp=False), whole[1])
    posterior, wanted = tiled.posterior(clip), vae.posterior(clip)
    assert_near(posterior.logvar, wanted.logvar)


def test_with_less_overlap_than_is_asked_for_they_do_not(vae, clip, whole, monkeypatch):
    """What exactness rests on: the least overlap is not more than it has to be."""
    monkeypatch.setattr(tiled_vae, "least_overlap", lambda module: 1)
    tiled = pv.tile(vae, 48, 64)
    difference = np.abs(tiled.decode(whole[0], clamp=False) - whole[1]).max()
    assert difference > 1e-3 * np.abs(whole[1]).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"encoder_blocks": (1, 0, 1), "decoder_blocks": (1, 0, 1), "head": "linear"},
        {"encoder_blocks": (0, 1, 0), "decoder_blocks": (0, 2, 0), "time_padding": "zeros"},
        {"patch": 2, "widths": (8,) * 4, "strides": ((2, 2), (1, 2), (2, 2))}
        | {"encoder_blocks": (1, 0, 0, 0), "decoder_blocks": (0, 1, 0, 0)},
        {"patch": 8, "strides": ((2, 1), (2, 2)), "decoder_causal": False},
    ],
    ids=["blocks", "zeros", "three strides", "a stride of time alone, not causal"],
)
def test_whatever_the_depth_and_the_strides(fields):
    vae = model(**fields)
    least = tiled_vae.least_overlap(vae.module)
    side = 16 * (least + 2)
    shape = (1, FRAMES, side + 48, side + 16, 3)
    clip = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    latents = vae.encode(clip)
    tiled = pv.tile(vae, side, side)
    assert_near(tiled.encode(clip), latents)
    assert_near(tiled.decode(latents, clamp=False), vae.decode(latents, clamp=False))


def test_reach_is_what_the_gradient_says(vae):
    """Of a feature in the middle by pixels, and of the pixels of a latent by features."""
    module, variables = vae.module, {"params": vae.params}

    def touched(method, x, row, rows):
        def some(x):
            y = module.apply(variables, x, method=method)
            return jnp.sum(jnp.abs(y[:, :, row * rows : (row + 1) * rows]))

        seen = np.abs(jax.jit(jax.grad(some))(x)).sum(axis=(0, 1, 3, 4))
        return np.flatnonzero(seen)

    random = np.random.default_rng(0)
    video = random.uniform(-1, 1, (1, 1, 16 * 9, 16, 3)).astype("float32")
    seen = touched("encode_high", video, 4, 1) // 16
    assert (4 - seen.min(), seen.max() - 4) == module.encoder.reach
    features = random.standard_normal((1, 1, 9, 1, 8)).astype("float32")
    seen = touched("decode_high", features, 4, 16)
    assert (4 - seen.min(), seen.max() - 4) == module.decoder.reach


def test_a_stream_of_tiles_is_that_of_whole_frames(vae, clip, whole):
    tiled = pv.tile(vae, 48, 112)
    pieces = [clip[:, :1], clip[:, 1:]]
    latents = list(tiled.encode_stream(pieces))
    assert [each.shape[1] for each in latents] == [1, 1]
    assert_near(np.concatenate(latents, axis=1), whole[0])
    video = np.concatenate(list(tiled.decode_stream(latents)), axis=1)
    assert_near(video, whole[1].clip(-1, 1))


def test_pixels_of_8_bits_are_tiled_as_such(vae):
    video = np.random.default_rng(0).integers(0, 256, (1, 1, 80, 64, 3), np.uint8)
    assert_near(pv.tile(vae, 48, 64).encode(video), vae.encode(video))


def test_blended_tiles_are_near_the_whole_and_the_more_so_the_more_they_share(vae, clip, whole):
    error = [
        float(np.square(pv.tile(vae, 64, 64, overlap, blended=True).encode(clip) - whole[0]).mean())
        for overlap in (0, 16, 48)
    ]
    assert 0 < error[2] < error[0] and error[1] < error[0]
    decoded = pv.tile(vae, 64, 64, 32, blended=True).decode(whole[0], clamp=False)
    assert float(np.square(decoded - whole[1]).mean()) < 0.1 * float(np.square(whole[1]).mean())


def test_frames_that_fit_in_a_tile_are_not_cut(vae, clip, whole):
    np.testing.assert_array_equal(pv.tile(vae, 80, 112, blended=True).encode(clip), whole[0])


@pytest.mark.parametrize("size, tile, overlap", [(9, 4, 2), (10, 4, 1), (5, 4, 3), (3, 4, 2)])
def test_weights_of_all_tiles_are_one_everywhere(size, tile, overlap):
    for scale in (1, 3):
        for pieces in (
            tiling.exact(size, tile, overlap, 1, scale),
            tiling.blended(size, tile, overlap, scale),
        ):
            total = np.zeros(size * scale)
            for start, weights in pieces:
                total[start * scale : start * scale + len(weights)] += weights
            np.testing.assert_allclose(total, 1, rtol=1e-6)


def test_ramps_by_hand():
    (_, first), (start, second) = tiling.blended(6, 4, 2, 1)
    assert start == 2
    np.testing.assert_allclose(first, [1, 1, 0.75, 0.25])
    np.testing.assert_allclose(second, [0.25, 0.75, 1, 1])
    (_, first), (_, second) = tiling.exact(6, 4, 2, 1, 1)
    np.testing.assert_array_equal(first, [1, 1, 1, 0])
    np.testing.assert_array_equal(second, [0, 1, 1, 1])


@pytest.mark.parametrize(
    "form, sentence",
    [
        ((50, 64), "rows of tiles are a multiple of 16 pixels in this model, got 50: use 64"),
        ((64, 0), "columns of tiles are a multiple of 16 .* got 0: use 16"),
        ((64, 64, 24), "overlap of tiles are a multiple of 16 .* got 24: use 32"),
        ((64, 64, 16), "share 16 pixels are not exact: this model reads 32 .* overlap of 32"),
        ((64, 32, 32), "64 x 32 has nothing of its own beside an overlap of 32: .* 48 or more"),
        ((64, 32, 32, True), "nothing of its own beside an overlap of 32"),
        ((64, 64, -16), "overlap of tiles .* got -16: use 0"),
    ],
)
def test_tiles_that_do_not_fit_are_refused_with_a_sentence(vae, form, sentence):
    with pytest.raises(ValueError, match=sentence):
        pv.tile(vae, *form)


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("hunyuan", r"its norms \(GroupNorm\) take their statistics from whole frames. Blend"),
        ("cogvideox_2b", r"its norms \(ChunkNorm\) take their statistics from whole frames"),
        ("wan2.1", "does not say which part of it needs whole frames"),
    ],
)
def test_a_model_without_exact_tiles_says_why(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiled_vae.least_overlap(registry.build(name))


def test_tiles_and_split_clips_are_not_mixed(vae):
    tiled = pv.tile(vae, 48, 64)
    for again in (lambda: pv.tile(tiled, 48, 64), lambda: pv.split(tiled, "rows")):
        with pytest.raises(ValueError, match="is tiled, or its clips are split, already"):
            again()


def test_a_clip_that_is_too_long_for_the_model_is_so_in_tiles_too():
    module = tiny.hybrid(window=0, max_groups=2)
    vae = VideoVAE(module, tiny.params(module), np.zeros(4), np.ones(4), {})
    tiled = pv.tile(vae, 64, 64, blended=True)
    with pytest.raises(ValueError, match="up to 2 "):
        tiled.decode(np.zeros((1, 3, 6, 4, 4), np.float32))


def test_any_model_may_be_blended(clip):
    module = tiny.LinearVAE()
    params = jax.jit(module.init)(jax.random.key(0), clip[:, :, :16, :16])["params"]
    vae = VideoVAE(module, params, np.zeros(4), np.ones(4), {})
    tiled = pv.tile(vae, 48, 64, blended=True)
    assert_near(tiled.encode(clip), vae.encode(clip))  # no latent sees another
