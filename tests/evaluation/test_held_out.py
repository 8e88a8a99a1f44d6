import json

import flax.struct
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pv_vae_jax.core import pixels
from pv_vae_jax.evaluation import held_out


class Known:
    """A model whose errors are known: off by 3 levels in reconstruction, by 12 in prediction."""

    def __init__(self, truth: np.ndarray):
        self.truth = truth

    def encode(self, video):
        return video

    def decode(self, latents):
        return pixels.to_float(latents + np.uint8(3))

    def predict(self, video, frames):
        seen = video.shape[1]
        which = [
            np.flatnonzero((self.truth[:, :seen] == clip).all((1, 2, 3, 4)))[0] for clip in video
        ]
        result = self.truth[which, :frames] + np.uint8(12)
        result[:, :seen] = 0  # what it says of observed frames does not count
        return pixels.to_float(result)


@pytest.fixture
def clips():
    """Each frame is one grey; clip i grows by i + 8 levels a frame."""
    levels = 20 + np.arange(5)[None] * (8 + np.arange(4)[:, None])
    return np.broadcast_to(levels[:, :, None, None, None], (4, 5, 16, 16, 3)).astype(np.uint8)


def one_by_one(clips):
    return [clip[None] for clip in clips]


def test_figures_are_those_computed_by_hand(clips):
    found = held_out.evaluate(Known(clips), one_by_one(clips), observe=3, source="greys")
    slopes = 8 + np.arange(4.0)
    repeat = np.mean([slopes**2, (2 * slopes) ** 2], axis=0) / 127.5**2
    mean_frame = 10 * np.log10(255**2 / (slopes**2 * np.mean([4, 1, 0, 1, 4])))
    psnr = 10 * np.log10(255**2 / 9)
    assert found.prediction.model == pytest.approx(144 / 127.5**2)
    assert found.prediction.baseline == pytest.approx(repeat.mean())
    assert found.mean_frame.model == pytest.approx(psnr)
    assert found.mean_frame.baseline == pytest.approx(mean_frame.mean())
    assert found.thumbnail.baseline == pytest.approx(10 * np.log10(255**2 * 12))  # flat: kept
    assert (found.clips, found.frames, found.observed, found.size) == (4, 5, 3, (16, 16))


def test_the_interval_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    baseline = rng.normal(5.0, 2.0, 12)
    model = baseline + rng.normal(-0.3, 0.4, 12)
    pair = held_out.Paired.of(model, baseline)
    oracle = stats.ttest_rel(model, baseline).confidence_interval(0.95)
    assert (pair.low, pair.high) == pytest.approx((oracle.low, oracle.high))


def test_the_relative_interval_holds_the_ratio_of_the_means_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):  # clips of very different difficulty, a model far from the baseline
        baseline = rng.exponential(1.0, 64)
        model = 5 * baseline + rng.normal(0, 2.0, 64)
        pair = held_out.Paired.of(model, baseline)
        assert pair.relative == pytest.approx(model.mean() / baseline.mean() - 1)
        held += pair.relative_low <= 4 <= pair.relative_high
    assert 0.92 <= held / 400 <= 0.98


def test_figures_do_not_depend_on_the_batches(clips):
    model = Known(clips)
    batches = [clips[:3], clips[3:]]
    assert held_out.evaluate(model, one_by_one(clips), 3) == held_out.evaluate(model, batches, 3)


def test_one_clip_has_no_interval_and_the_report_says_so(clips):
    found = held_out.evaluate(Known(clips), [clips[:1]], observe=3, source="one grey clip")
    assert found.as_dict()["prediction"]["low"] is None
    assert "(one clip: none)" in found.text()
    assert "1 clip of 5 frames, 16x16, from one grey clip" in found.text()


def test_the_report_is_strict_json_even_for_still_clips(clips):
    still = np.repeat(clips[:2, :1], 5, axis=1)
    found = held_out.evaluate(Known(still), one_by_one(still), observe=1, source="stills")
    report = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert report["prediction"]["baseline"] == 0.0
    assert report["prediction"]["relative"] is None and "nan" not in found.text()
    assert report["clips"] == 2 and report["source"] == "stills" and "8-bit" in report["protocol"]


def test_a_model_is_judged_by_its_own_reconstruction_and_prediction(vae, video):
    clip = np.pad(video, [(0, 0), (0, 12), (0, 8), (0, 0)], mode="edge")[None]
    found = held_out.evaluate(vae, [clip], observe=5)
    predicted = np.asarray(vae.predict(clip[:, :5], 9))[:, 5:]
    error = np.square(np.asarray(pixels.to_float(clip[:, 5:])) - predicted).mean()
    assert found.prediction.model == pytest.approx(error, rel=1e-3)
    error = np.square(np.asarray(pixels.to_float(clip)) - vae.decode(vae.encode(clip))).mean()
    assert found.mean_frame.model == pytest.approx(10 * np.log10(4 / error), rel=1e-3)


@pytest.mark.parametrize(
    ("batches", "observe", "message"),
    [
        ([], 3, "there is no held-out clip in unnamed clips"),
        ([(1, 5, 16, 16, 3), (1, 9, 16, 16, 3)], 3, "held-out clips have one shape"),
        ([(1, 5, 16, 16, 3)], 5, "observe 5 of 5 frames"),
        ([(1, 5, 16, 16, 3)], 0, "observe 0 of 5 frames"),
    ],
)
def test_clips_that_cannot_be_judged_are_refused(batches, observe, message):
    batches = [np.zeros(shape, np.uint8) for shape in batches]
    model = Known(np.concatenate(batches[:1]) if batches else np.zeros((0, 5, 16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match=message):
        held_out.evaluate(model, batches, observe)


@flax.struct.dataclass
class Distance:
    """A judge of known values: the mean absolute difference of each frame."""

    scale: float

    def __call__(self, video, target):
        return self.scale * jnp.mean(jnp.abs(video - target), axis=(2, 3, 4))


def test_lpips_is_a_mean_over_frames_beside_that_of_the_thumbnail(clips):
    found = held_out.evaluate(Known(clips), one_by_one(clips), observe=3, lpips=Distance(2.0))
    assert found.lpips.model == pytest.approx(2 * 3 / 127.5, rel=1e-5)
    assert found.lpips.baseline == pytest.approx(0, abs=1e-6)  # a grey is its own thumbnail
    assert "reconstruction LPIPS" in found.text()
    assert held_out.evaluate(Known(clips), one_by_one(clips), observe=3).lpips is None
