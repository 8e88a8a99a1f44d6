import itertools

import numpy as np
import pytest

from pv_vae_jax.core import pixels
from pv_vae_jax.evaluation import any_size
from pv_vae_jax.interface import ALL, LatentSpec

FORMS = {
    "exact": LatentSpec(4, 8, 3),
    "late": LatentSpec(4, 8, 3, decoder_lookahead=1),
    "reference_chunks": LatentSpec(4, 8, 3, streaming="reference_chunks", reference_chunk=2),
    "none": LatentSpec(4, 8, 3, decoder_lookahead=ALL, streaming="none"),
}


class LastOfEachGroup:
    """A model whose latents are the last frame of each group; it notes how many come at once."""

    def __init__(self, spec):
        self.spec, self.seen = spec, []

    def encode(self, video):
        video = np.float32(video) / 127.5 - 1
        return np.concatenate([video[:, :1], video[:, 4::4]], axis=1)

    def decode(self, latents, clamp=True):
        self.seen.append(latents.shape[1])
        return np.concatenate([latents[:, :1], np.repeat(latents[:, 1:], 4, axis=1)], axis=1)

    def encode_stream(self, chunks):
        for number, chunk in enumerate(chunks):
            self.seen.append(chunk.shape[1])
            chunk = np.float32(chunk) / 127.5 - 1
            yield chunk[:, 3::4] if number else self.encode(255 * (chunk + 1) / 2)

    def decode_stream(self, chunks):
        held = np.zeros((1, 0))
        for number, chunk in enumerate(itertools.chain(chunks, [None])):
            video = held if chunk is None else np.repeat(chunk, 4, axis=1)[:, 0 if number else 3 :]
            if self.spec.decoder_lookahead and chunk is not None:
                all_of_it = np.concatenate([held, video], axis=1) if held.size else video
                video, held = all_of_it[:, :-4], all_of_it[:, -4:]
            elif not self.spec.decoder_lookahead and chunk is None:
                return
            yield video


def test_reconstruction_is_that_of_the_clip_with_repeated_edges_cropped(vae, video):
    video = video[:7]
    by_hand = video[[0, 1, 2, 3, 4, 5, 6, 6, 6]]
    by_hand = by_hand[:, [*range(20), *[19] * 12]][:, :, [*range(24), *[23] * 8]]
    whole = np.asarray(pixels.to_uint8(vae.decode(vae.encode(by_hand[None]))))[0]
    np.testing.assert_array_equal(any_size.reconstruct(vae, video), whole[:7, :20, :24])


@pytest.mark.parametrize("frames", [7, 9])
def test_a_streamed_video_is_reconstructed_as_the_whole_one(vae, video, frames):
    pieces = list(any_size.stream(vae, iter(video[:frames]), frames, piece=1))
    assert [len(piece) for piece, _ in pieces] == [1, 4, frames - 5]
    original, result = (np.concatenate(each) for each in zip(*pieces, strict=True))
    np.testing.assert_array_equal(original, video[:frames])
    whole = any_size.reconstruct(vae, video[:frames])
    assert np.abs(result.astype(int) - whole).max() <= 1  # a rounding of 8 bits


@pytest.mark.parametrize("frames", [1, 7, 17, 30, 41])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_streaming_gives_each_frame_its_own(form, frames):
    model = LastOfEachGroup(FORMS[form])
    video = np.random.default_rng(0).integers(0, 256, (frames, 10, 12, 3), np.uint8)
    pieces = list(any_size.stream(model, iter(video), frames))
    assert all(len(original) == len(result) for original, result in pieces)
    original, result = (np.concatenate(each) for each in zip(*pieces, strict=True))
    np.testing.assert_array_equal(original, video)
    last = [min(-(-t // 4) * 4, frames - 1) for t in range(frames)]
    np.testing.assert_array_equal(result, video[last])


@pytest.mark.parametrize(
    "form, seen", [("exact", [17, 20, 4]), ("reference_chunks", [9, 8, 8, 8, 8])]
)
def test_pieces_are_free_where_streaming_is_exact_and_else_the_chunks_of_the_reference(form, seen):
    model = LastOfEachGroup(FORMS[form])
    list(any_size.stream(model, iter(np.zeros((41, 8, 8, 3), np.uint8)), 41))
    assert [each for each in model.seen if each > 5 or each == 4] == seen


def test_a_video_shorter_than_promised_gives_what_it_has(vae, video):
    pieces = list(any_size.stream(vae, iter(video[:6]), 9))
    assert sum(len(original) for original, _ in pieces) == 6


def test_a_prediction_looks_at_the_observed_frames_alone(vae, video):
    other = video.copy()
    other[5:] = 255 - other[5:]
    predicted = any_size.predict(vae, video, observe=5)
    assert predicted.shape == video.shape
    np.testing.assert_array_equal(predicted, any_size.predict(vae, other, observe=5))
    other[4] = 255 - other[4]
    assert (predicted != any_size.predict(vae, other, observe=5)).any()


def test_an_observed_count_that_is_no_whole_group_is_refused(vae, video):
    with pytest.raises(ValueError, match=r"1 \+ 4n frames, got 6: cut to 5 or pad to 9"):
        any_size.predict(vae, video, observe=6)


def test_a_video_of_no_frames_is_a_sentence():
    with pytest.raises(ValueError, match="a video has at least one frame, got none"):
        list(any_size.stream(LastOfEachGroup(FORMS["none"]), iter([]), 5))
