import numpy as np
import pytest

from pv_vae_jax.analysis.looks import Look, observed_frames
from pv_vae_jax.analysis.prediction import Prediction, errors
from tests.analysis import pixels


def brighter(key, step, frames=9):
    """Frames of level 20 + step n: repeating the last makes errors known by hand."""
    levels = 20 + step * np.arange(frames)
    return pixels.video(
        key, np.full((frames, 16, 16, 3), 1, np.uint8) * levels[:, None, None, None]
    )


def rows(videos):
    clips = np.stack([video.read() for video in videos]).astype(np.uint8)
    filled = np.concatenate([clips, clips[:1].repeat(8 - len(clips), axis=0)])
    look = Look(pixels.vae(), videos, filled, lambda *_: None)
    return [Prediction().row(look, i) for i in range(len(videos))]


@pytest.mark.parametrize(
    "frames, temporal, seen", [(17, 4, 9), (5, 4, 1), (13, 4, 5), (9, 4, 5), (9, 1, 5), (33, 4, 17)]
)
def test_the_latter_half_of_the_groups_is_withheld(frames, temporal, seen):
    assert observed_frames(frames, temporal) == seen


def test_nothing_to_predict_is_a_sentence():
    with pytest.raises(ValueError, match="2 groups of frames or more, got 1 frame"):
        observed_frames(1, 4)


def test_the_error_of_repeating_is_known_by_hand_and_a_model_that_repeats_has_it():
    found = rows([brighter("a", 3), brighter("b", 6)])
    ahead = np.arange(1, 5)
    np.testing.assert_allclose(found[0].features["repeat"], (3 * ahead) ** 2 / 127.5**2)
    np.testing.assert_allclose(found[1].features["model"], (6 * ahead) ** 2 / 127.5**2)
    figures, values, notes = Prediction().summary(found)
    assert figures["prediction"].value == pytest.approx(
        np.mean([(s * ahead) ** 2 for s in (3, 6)]) / 127.5**2
    )
    assert figures["against_repeat"].value == 0 and notes == []
    assert values["observed"] == 5
    assert [point["frame"] for point in values["horizon"]] == [5, 6, 7, 8]
    assert values["horizon"][3]["repeat"]["value"] == pytest.approx((12**2 + 24**2) / 2 / 127.5**2)


def test_a_still_video_is_not_divided_by():
    figures, _, notes = Prediction().summary(rows([brighter("a", 0), brighter("b", 0)]))
    assert "against_repeat" not in figures and figures["repeat"].value == 0
    assert any("'last frame repeated' makes no error" in note for note in notes)


def test_one_observed_frame_has_no_flow_to_go_on():
    found = rows([brighter("a", 2, 2), brighter("b", 3, 2)])
    figures, _, notes = Prediction().summary(found)
    assert "flow" not in figures and any("no flow to go on" in note for note in notes)


def test_errors_are_of_every_withheld_frame():
    one, other = np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 4, 4, 3), np.uint8)
    other[1, 0, 0, 0] = 255
    np.testing.assert_allclose(errors(one, other), [0, 4 / 48])
