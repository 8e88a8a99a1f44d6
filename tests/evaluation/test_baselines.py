import numpy as np

from pv_vae_jax.evaluation import baselines


def test_the_mean_frame_is_the_rounded_mean_over_time():
    video = np.zeros((1, 3, 2, 2, 3), np.uint8)
    video[0, :, 0, 0, 0] = 0, 10, 25  # mean 11.67
    mean = baselines.mean_frame(video)
    assert mean.shape == video.shape and mean.dtype == np.uint8
    assert (mean[0, :, 0, 0, 0] == 12).all() and mean.sum() == 3 * 12


def test_the_thumbnail_keeps_a_flat_colour_and_loses_a_checkerboard():
    video = np.full((2, 2, 16, 24, 3), 77, np.uint8)
    video[1] = 255 * (np.indices((16, 24)).sum(0) % 2)[None, :, :, None]
    small = baselines.thumbnail(video)
    assert (small[0] == 77).all()
    assert np.abs(small[1].astype(int) - 127.5).max() <= 1


def test_repetition_is_of_the_last_observed_frame():
    video = np.arange(3, dtype=np.uint8).reshape(1, 3, 1, 1, 1) * np.ones((1, 1, 2, 2, 3), np.uint8)
    again = baselines.repeated(video, 4)
    assert again.shape == (1, 4, 2, 2, 3) and (again == 2).all()
