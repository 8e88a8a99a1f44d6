import numpy as np
import pytest

from pv_vae_jax.core import pixels
from pv_vae_jax.evaluation import any_size


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
