import numpy as np
import pytest

from pv_vae_jax.evaluation import judging
from tests.evaluation import judges


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path))


def clips(*seeds):
    return np.stack(
        [np.random.default_rng(s).integers(0, 256, (3, 4, 4, 3), np.uint8) for s in seeds]
    )


def test_features_are_computed_once_for_each_content():
    judge = judges.Moments()
    features = judging.Features(judge)
    video = clips(*range(8))
    found = features(video)
    np.testing.assert_array_equal(found, judges.Moments().logits(video))
    assert features.computed == 8
    np.testing.assert_array_equal(features(video[::-1]), found[::-1])
    mixed = clips(0, 9, 9, 1, 2, 3, 4, 5)
    np.testing.assert_array_equal(features(mixed), judges.Moments().logits(mixed))
    assert features.computed == 9  # clip 9, twice in one batch, is looked at once
    assert judging.Features(judge)(video).shape == (8, 8) and judge.looked == 16  # from the disk


def test_features_of_what_is_looked_at_once_are_not_kept(tmp_path):
    judge, video = judges.Moments(), clips(*range(8))
    found = judging.Features(judge)(video, keep=False)
    assert not list(tmp_path.rglob("*.npy"))
    np.testing.assert_array_equal(judging.Features(judge)(video), found)
    assert judge.looked == 16


def test_any_number_of_clips_is_looked_at_on_all_devices():
    video = clips(*range(5))
    np.testing.assert_array_equal(
        judging.Features(judges.Moments())(video), judges.Moments().logits(video)
    )


def test_another_judge_or_preparation_has_features_of_its_own():
    video = clips(*range(8))
    judging.Features(judges.Moments())(video)
    for field, value in (("sha256", "1" * 64), ("prepared", "larger")):
        other = judges.Moments()
        setattr(other, field, value)
        features = judging.Features(other)
        features(video)
        assert features.computed == 8


def test_the_digest_is_of_pixels_and_shape():
    video = clips(1)[0]
    assert judging.digest(video) == judging.digest(video.copy())
    assert judging.digest(video) != judging.digest(video.reshape(4, 3, 4, 3))
    other = video.copy()
    other[2, 3, 3, 2] ^= 1
    assert judging.digest(video) != judging.digest(other)


def test_too_few_frames_and_features_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="moments looks at clips of 2 frames or more, got 1"):
        judging.Features(judges.Moments())(clips(*range(8))[:, :1])
    with pytest.raises(ValueError, match="moments gave features that are not finite"):
        judging.Features(judges.Broken())(clips(*range(8)))
