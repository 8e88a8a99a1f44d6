"""The simulations have fixed seeds: a rate is a number, and its band leaves room for others."""

import functools

import numpy as np
import pytest
from scipy import stats

from pv_vae_jax.metrics import frechet, intervals, kernel

SCALES = np.linspace(0.6, 1.6, 6)
CLOSED_FORM = 6 * 0.3**2 + np.sum((1 - SCALES) ** 2)  # of gaussians(); the covariances commute


def gaussians(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of 6 dimensions, whose distance is CLOSED_FORM."""
    x, y = rng.normal(size=(2, count, 6))
    return x, y * SCALES + 0.3


def clusters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """25 sources of 1 to 8 clips: values of mean 0 with a part common to each source."""
    sources = np.repeat(np.arange(25), rng.integers(1, 9, 25))
    return rng.normal(size=25)[sources] + rng.normal(0, 0.5, len(sources)), sources


def covers(interval: intervals.Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def test_the_jackknife_of_a_mean_is_the_t_interval():
    values = np.random.default_rng(0).normal(3, 2, 12)
    interval = intervals.jackknife(np.mean, [values], range(12), level=0.9)
    low, high = stats.t.interval(0.9, 11, values.mean(), stats.sem(values))
    assert interval.value == pytest.approx(values.mean(), rel=1e-12)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)
    assert interval.level == 0.9
    assert interval.method == "delete-one jackknife over 12 sources"


def test_the_jackknife_of_a_paired_difference_sees_pairs():
    rng = np.random.default_rng(1)
    clips = rng.normal(30, 5, 40)  # clips differ by far more than models
    columns = [clips + rng.normal(1, 0.1, 40), clips]
    interval = intervals.jackknife(lambda a, b: np.mean(a - b), columns, range(40))
    assert 0.9 < interval.low < 1 < interval.high < 1.1


def test_the_jackknife_over_sources_covers_where_one_over_clips_does_not():
    rng = np.random.default_rng(2)
    by_source, by_clip = [], []
    for _ in range(200):
        values, sources = clusters(rng)
        by_source.append(covers(intervals.jackknife(np.mean, [values], sources), 0.0))
        by_clip.append(covers(intervals.jackknife(np.mean, [values], range(len(values))), 0.0))
    assert 0.88 <= np.mean(by_source) <= 0.99
    assert np.mean(by_clip) < 0.8


@pytest.mark.parametrize(
    "interval",
    [intervals.jackknife, functools.partial(intervals.subsampling, seed=0)],
    ids=["jackknife", "subsampling"],
)
def test_clips_of_a_source_that_are_all_alike_say_no_more_than_one(interval):
    values = np.random.default_rng(3).normal(size=20)
    one = interval(np.mean, [values], range(20))
    three = interval(np.mean, [np.tile(values, 3)], list(range(20)) * 3)
    assert (three.low, three.high) == pytest.approx((one.low, one.high), rel=1e-9)
    apart = interval(np.mean, [np.tile(values, 3)], range(60))
    assert apart.high - apart.low < 0.75 * (one.high - one.low)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_subsampling_of_a_mean_is_the_t_interval_for_any_share(share):
    values = np.random.default_rng(4).normal(size=100)
    interval = intervals.subsampling(np.mean, [values], range(100), 0, draws=3000, share=share)
    low, high = stats.t.interval(0.95, 99, values.mean(), stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_subsampling_covers_a_known_frechet_distance_and_its_mean():
    rng, found, around = np.random.default_rng(5), [], []
    for seed in range(200):
        columns = gaussians(rng, 150)
        call = functools.partial(
            intervals.subsampling, frechet.of_features, columns, range(150), seed, draws=80
        )
        found.append(call())
        around.append(call(extrapolate=False))
    values = [interval.value for interval in found]
    assert np.mean(values) > 1.1 * CLOSED_FORM  # the bias is there to be dealt with
    assert 0.88 <= np.mean([covers(interval, CLOSED_FORM) for interval in found]) <= 0.99
    assert 0.88 <= np.mean([covers(interval, np.mean(values)) for interval in around]) <= 0.99
    centres = [(interval.low + interval.high) / 2 for interval in found]
    assert np.mean(centres) == pytest.approx(CLOSED_FORM, rel=0.03)


def test_subsampling_over_sources_covers_where_one_over_clips_does_not():
    """Originals and reconstructions, 4 clips a source: y = x + noise, so the pairs are alike."""
    rng, by_source, by_clip = np.random.default_rng(9), [], []
    sources = np.repeat(np.arange(60), 4)
    closed_form = 4 * (np.sqrt(1.3) - 1) ** 2

    def draw():
        return 0.9 * rng.normal(size=(60, 4))[sources] + np.sqrt(0.19) * rng.normal(size=(240, 4))

    for seed in range(100):
        x = draw()
        call = functools.partial(
            intervals.subsampling,
            frechet.of_features,
            [x, x + np.sqrt(0.3) * draw()],
            seed=seed,
            draws=60,
        )
        by_source.append(covers(call(sources=sources), closed_form))
        by_clip.append(covers(call(sources=range(240)), closed_form))
    assert 0.88 <= np.mean(by_source) <= 0.99
    assert np.mean(by_clip) < 0.8


def test_subsampling_covers_a_known_kernel_distance():
    """Of 0 and 1 with shares p and q of 1: k(1, 1) = 8, else k = 1, so MMD^2 = 7 (p - q)^2."""
    rng, found = np.random.default_rng(10), []
    for seed in range(150):
        columns = [(rng.random((100, 1)) < share).astype(float) for share in (0.2, 0.8)]
        call = functools.partial(intervals.subsampling, kernel.distance, columns, range(100))
        found.append(call(seed=seed, draws=60, extrapolate=False))
    assert 0.88 <= np.mean([covers(interval, 7 * 0.6**2) for interval in found]) <= 0.99


def test_subsampling_covers_a_distance_of_zero_with_room():
    rng = np.random.default_rng(6)
    found = [
        intervals.subsampling(
            frechet.of_features, rng.normal(size=(2, 100, 4)), range(100), seed, draws=80
        )
        for seed in range(100)
    ]
    assert np.mean([covers(interval, 0.0) for interval in found]) >= 0.9


def test_a_plain_bootstrap_of_the_frechet_distance_lies_beyond_the_estimate():
    rng = np.random.default_rng(7)
    beyond, covered = [], []
    for _ in range(40):
        x, y = gaussians(rng, 60)
        draws = [
            frechet.of_features(x[rng.integers(0, 60, 60)], y[rng.integers(0, 60, 60)])
            for _ in range(80)
        ]
        low, high = np.quantile(draws, [0.025, 0.975])
        beyond.append(np.mean(draws) > frechet.of_features(x, y))
        covered.append(low <= CLOSED_FORM <= high)
    assert np.mean(beyond) == 1
    assert np.mean(covered) < 0.7


def test_a_seed_makes_one_interval():
    columns = gaussians(np.random.default_rng(8), 30)
    call = functools.partial(
        intervals.subsampling, frechet.of_features, columns, range(30), draws=40
    )
    assert call(seed=1) == call(seed=1)
    assert call(seed=1) != call(seed=2)
    assert call(seed=1) == call(seed=1, m=15)
    assert call(seed=1).method == (
        "40 subsamples of 15 of 30 sources, extrapolated to infinitely many"
    )
    assert call(seed=1).value == frechet.of_features(*columns)


def test_what_has_no_interval_is_refused():
    values = np.arange(6.0)
    subsampling = functools.partial(intervals.subsampling, np.mean, seed=0)
    with pytest.raises(ValueError, match="wants 2 of them or more, got 1: clips of one video"):
        intervals.jackknife(np.mean, [values], ["a"] * 6)
    with pytest.raises(ValueError, match="wants 3 of them or more, got 2"):
        subsampling(columns=[values], sources=list("aaabbb"))
    with pytest.raises(ValueError, match=r"5 sources are of columns of \[6\] rows"):
        intervals.jackknife(np.mean, [values], range(5))
    with pytest.raises(ValueError, match=r"6 sources are of columns of \[\] rows"):
        intervals.jackknife(np.mean, [], range(6))
    with pytest.raises(ValueError, match="the statistic of some of the sources is nan"):
        intervals.jackknife(np.mean, [np.where(values == 3, np.nan, values)], range(6))
    with pytest.raises(ValueError, match="between 0 and 1, such as 0.95; got 95"):
        intervals.jackknife(np.mean, [values], range(6), level=95)
    for m in (1, 6):
        with pytest.raises(ValueError, match=f"a draw is of 2 to 5 of the 6 sources, got {m}"):
            subsampling(columns=[values], sources=range(6), m=m)
    with pytest.raises(ValueError, match="a 95% interval wants more draws than 20"):
        subsampling(columns=[values], sources=range(6), draws=20)
