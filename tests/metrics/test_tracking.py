"""Metrics of tracks by hand, and by their definition written out."""

import numpy as np
import pytest

from pv_vae_jax.metrics import tracking


def test_the_frames_after_the_query_count():
    expected = [[False, True, True], [False, False, True], [False, False, False]]
    np.testing.assert_array_equal(tracking.counted(np.array([0, 1, 2]), 3), expected)


def test_the_area_is_that_under_the_accuracy_curve():
    wrong, counts = np.array([[0.0, 2.5, 7.5, 40.0]]), np.ones((1, 4), bool)
    assert tracking.area(wrong, counts) == pytest.approx((1 + 0.75 + 0.25 + 0) / 4)
    at = (np.arange(20000) + 0.5) / 2000
    many = np.random.default_rng(0).exponential(4.0, (5, 7))
    shown = many < 9
    integral = tracking.curve(many, shown, at).mean()
    assert tracking.area(many, shown) == pytest.approx(integral, abs=1e-4)


def test_accuracy_counts_what_is_nearer_and_visible_alone():
    wrong = np.array([[0.5, 1.0, 3.0, 0.0]])
    counts = np.array([[True, True, True, False]])
    np.testing.assert_allclose(
        tracking.curve(wrong, counts, np.array([1, 2, 4])), [1 / 3, 2 / 3, 1]
    )


def test_tap_vid_by_hand():
    wrong = np.array([[0.5, 3.0, 0.5, 20.0]])
    visible = np.array([[True, True, False, True]])
    told = np.array([[True, True, True, False]])
    found = tracking.tap_vid(wrong, told, visible, np.ones((1, 4), bool))
    # visible: 0.5, 3, 20.  By threshold 1, 2: one within; 4, 8, 16: two.
    assert found["position"] == pytest.approx((1 / 3 * 2 + 2 / 3 * 3) / 5)
    assert found["occlusion"] == pytest.approx(2 / 4)
    # 1, 2: TP 1, FP 2 (off by 3; hidden), so 1 / (3 + 2).  4, 8, 16: TP 2, FP 1, so 2 / (3 + 1).
    assert found["jaccard"] == pytest.approx((2 * 1 / 5 + 3 * 2 / 4) / 5)


def test_frames_that_do_not_count_change_nothing():
    wrong = np.array([[0.5, 3.0, 90.0]])
    visible, told = np.array([[True, True, True]]), np.array([[True, True, False]])
    counts = np.array([[True, True, False]])
    with_it = tracking.tap_vid(wrong, told, visible, counts)
    assert with_it == tracking.tap_vid(wrong[:, :2], told[:, :2], visible[:, :2], counts[:, :2])


def test_jaccard_is_true_positives_over_all_that_is_or_is_told():
    random = np.random.default_rng(1)
    wrong = random.exponential(5.0, (6, 9))
    visible, told, counts = (random.random((6, 9)) < share for share in (0.7, 0.6, 0.8))
    parts = []
    for threshold in (1, 2, 4, 8, 16):
        positive = negative = false = 0
        for e, seen, said, counting in zip(
            wrong.flat, visible.flat, told.flat, counts.flat, strict=True
        ):
            right = e < threshold and seen and said
            positive += counting and right
            negative += counting and seen and not right
            false += counting and said and not right
        parts.append(positive / (positive + negative + false))
    found = tracking.tap_vid(wrong, told, visible, counts)
    assert found["jaccard"] == pytest.approx(np.mean(parts))


def test_a_clip_without_a_visible_point_is_a_sentence():
    with pytest.raises(ValueError, match="cannot be judged"):
        tracking.area(np.zeros((1, 2)), np.zeros((1, 2), bool))
