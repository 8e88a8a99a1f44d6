"""FVD of real clips rises with what is done to them; by the real judge."""

import cv2
import numpy as np
import pytest

from pv_vae_jax.evaluation import datasets, judging
from pv_vae_jax.metrics import frechet
from pv_vae_jax.pretrained import i3d


def blurred(video, sigma):
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in video])


def noisy(video, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, video.shape)
    return np.clip(np.rint(video + noise), 0, 255).astype(np.uint8)


def shuffled(video, window):
    """Frames change places within windows of so many."""
    random, order = np.random.default_rng(0), np.arange(len(video))
    for first in range(0, len(video), window):
        random.shuffle(order[first : first + window])
    return video[order]


def frozen(video, hold):
    """Each frame stands for so many."""
    return video[np.arange(len(video)) // hold * hold]


SEVERITIES = {
    blurred: (0.7, 1.5, 4.0),
    noisy: (5, 15, 40),
    shuffled: (2, 4, 17),
    frozen: (2, 4, 17),
}


@pytest.mark.slow
def test_fvd_of_real_clips_rises_with_blur_noise_shuffled_and_frozen_frames():
    judge = judging.Features(i3d.load())

    def features(clips):
        return np.concatenate([judge(clips[i : i + 5]) for i in range(0, len(clips), 5)])

    items = [item for item in datasets.items("shipped", "", None) if item.path]
    clips = np.stack([datasets.clip(item, 17, 1, 128, 128) for item in items])
    original = features(clips)
    for change, severities in SEVERITIES.items():
        distances = [
            frechet.of_features(
                original, features(np.stack([change(clip, severity) for clip in clips]))
            )
            for severity in severities
        ]
        print(change.__name__, severities, [round(d, 1) for d in distances])
        assert 0 < distances[0] < distances[1] < distances[2], change.__name__
