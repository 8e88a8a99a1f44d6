import numpy as np
import pytest
from scipy import stats

from pv_vae_jax.analysis import temporal_distance
from pv_vae_jax.analysis.temporal_distance import TemporalDistance
from pv_vae_jax.evaluation.rows import Row

RNG = np.random.default_rng(0)


def row(latents, key="a"):
    curve = temporal_distance.curve(latents)
    values = {
        "order": temporal_distance.order(curve),
        "rising": temporal_distance.rising(curve),
        "channels": latents.shape[-1],
    }
    adjacent = temporal_distance.distances(latents, 1).ravel()
    return Row(key, key, values=values, features={"curve": curve, "adjacent": adjacent})


def test_distances_are_those_of_every_pair_by_hand():
    z = RNG.normal(size=(5, 2, 3, 4))
    for d, found in enumerate(temporal_distance.curve(z), start=1):
        pairs = [
            np.sqrt(np.sum((z[g + d, i, j] - z[g, i, j]) ** 2))
            for g in range(5 - d)
            for i in range(2)
            for j in range(3)
        ]
        assert found == pytest.approx(np.mean(pairs), rel=1e-12)


def test_a_steady_drift_rises_in_proportion_and_a_swing_does_not():
    steady = np.arange(5.0).reshape(5, 1, 1, 1) * np.array([3.0, 4.0])
    np.testing.assert_allclose(temporal_distance.curve(steady), [5, 10, 15, 20])
    swing = np.array([0.0, 1, 0, 1, 0]).reshape(5, 1, 1, 1)
    np.testing.assert_allclose(temporal_distance.curve(swing), [1, 0, 1, 0])
    assert temporal_distance.order(temporal_distance.curve(steady)) == 1
    assert temporal_distance.rising(temporal_distance.curve(steady)) == 1
    assert temporal_distance.order(np.array([1.0, 0, 1, 0])) == pytest.approx(
        stats.spearmanr([1, 2, 3, 4], [1, 0, 1, 0]).statistic
    )
    assert temporal_distance.rising(np.array([1.0, 0, 1, 0])) == pytest.approx(1 / 3)


def test_figures_are_means_over_videos_and_the_median_over_all_places():
    latents = [RNG.normal(size=(5, 2, 2, 3)).cumsum(axis=0) * (1 + k) for k in range(4)]
    figures, values, notes = TemporalDistance().summary(
        [row(z, str(k)) for k, z in enumerate(latents)]
    )
    curves = np.stack([temporal_distance.curve(z) for z in latents])
    adjacent = np.stack([temporal_distance.distances(z, 1) for z in latents])
    assert figures["adjacent_median"].value == pytest.approx(np.median(adjacent))
    assert figures["adjacent_median_scaled"].value == pytest.approx(
        np.median(adjacent) / np.sqrt(3)
    )
    assert figures["growth"].value == pytest.approx(np.mean(curves[:, 3] / curves[:, 0]))
    mean = curves.mean(axis=0)
    by_adjacent, by_largest = (
        [point[name]["value"] for point in values["curve"]]
        for name in ("by_adjacent", "by_largest")
    )
    np.testing.assert_allclose(by_adjacent, mean / mean[0])
    np.testing.assert_allclose(by_largest, mean / mean.max())
    assert values["monotone"] == bool((np.diff(mean) > 0).all()) and notes == []
    low, high = (values["curve"][3]["ltd"][end] for end in ("low", "high"))
    assert low < mean[3] < high
    histogram = values["histogram"]
    area = np.sum(np.array(histogram["density"]) * np.diff(histogram["edges"]))
    assert area == pytest.approx(temporal_distance.SHOWN, abs=0.03)


def test_independent_latents_are_as_far_as_their_channels_say():
    rows = [row(RNG.normal(size=(5, 8, 8, 32)), str(k)) for k in range(3)]
    figures, _, _ = TemporalDistance().summary(rows)
    assert figures["adjacent_median_scaled"].value == pytest.approx(np.sqrt(2), rel=0.02)
    assert figures["growth"].value == pytest.approx(1, rel=0.02)


def test_two_groups_have_no_curve():
    rows = [row(RNG.normal(size=(2, 2, 2, 3)), str(k)) for k in range(3)]
    figures, values, notes = TemporalDistance().summary(rows)
    assert list(figures) == ["adjacent_median", "adjacent_median_scaled"]
    assert len(values["curve"]) == 1 and notes == [
        "Two groups have one interval: there is no curve."
    ]


def test_latents_that_never_change_are_told():
    rows = [row(np.ones((5, 2, 2, 3)) + k * RNG.normal(size=(5, 2, 2, 3)), str(k)) for k in (0, 1)]
    figures, _, notes = TemporalDistance().summary(rows)
    assert notes == ["1 videos have latents that never change."]
    assert "growth" not in figures and rows[0].values["order"] == 0
    assert figures["adjacent_median"].low is None  # two sources are too few for subsampling
    assert "3 are wanted" in figures["adjacent_median"].method
