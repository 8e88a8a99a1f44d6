import functools

import numpy as np
import pytest

from pv_vae_jax.metrics import frechet


def features(seed: int, count: int, d: int, offset: float = 0.0) -> np.ndarray:
    """Samples of a Gaussian with a covariance and a mean of its own."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, d)) @ rng.normal(size=(d, d)) + offset + rng.normal(size=d)


def test_the_distance_of_four_numbers_is_the_one_worked_out_by_hand():
    x, y = np.array([[0], [2]]), np.array([[3], [7]])  # means 1, 5; variances 2, 8
    assert frechet.of_features(x, y) == pytest.approx(4**2 + 2 + 8 - 2 * 4, rel=1e-12)


def textbook(x: np.ndarray, y: np.ndarray) -> float:
    """Equation (1) by eigenvalues: tr (S1^(1/2) S2 S1^(1/2))^(1/2), also of singular S."""
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    middle = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a) + np.trace(b) - 2 * middle


@pytest.mark.parametrize("counts", [(5, 5), (5, 90), (90, 5), (90, 70)])  # d is 20
def test_the_distance_is_the_textbooks_trace_of_a_root(counts):
    x, y = features(5, counts[0], 20), features(6, counts[1], 20, offset=0.5)
    assert frechet.of_features(x, y) == pytest.approx(textbook(x, y), rel=1e-6)
    assert frechet.of_features(y, x) == pytest.approx(frechet.of_features(x, y), rel=1e-12)


@pytest.mark.parametrize("count", [3, 8, 200])  # d is 8
@pytest.mark.parametrize("offset", [0, 1e3])
def test_the_distance_of_a_set_to_itself_is_at_most_1e_8_of_its_trace(count, offset):
    x = features(2, count, 8, offset)
    trace = np.trace(np.cov(x, rowvar=False))
    assert 0 <= frechet.of_features(x, x) <= 1e-8 * trace
    assert frechet.of_features(x, x[::-1]) <= 1e-8 * trace


def test_features_of_any_real_type_are_taken_in_float64():
    x = np.arange(12).reshape(4, 3) % 5
    expected = frechet.of_features(x.astype(np.float64), x[:3].astype(np.float64))
    assert frechet.of_features(x.astype(np.float32), x[:3]) == expected
    assert frechet.of_features(x.astype(np.float16), x[:3]) == expected


def test_the_excess_over_the_closed_form_falls_as_one_over_n():
    d, repeats = 6, 400
    rng = np.random.default_rng(7)
    scales = np.linspace(0.7, 1.3, d)
    closed_form = 0.2**2 * d + np.sum((1 - scales) ** 2)
    counts = d * np.array([10, 20, 40, 80])
    excess = [
        np.mean(
            [
                frechet.of_features(rng.normal(size=(n, d)), rng.normal(size=(n, d)) * scales + 0.2)
                for _ in range(repeats)
            ]
        )
        - closed_form
        for n in counts
    ]
    slope = np.polyfit(np.log(counts), np.log(excess), 1)[0]
    assert -1.15 < slope < -0.85
    assert excess[-1] < 0.15 * closed_form


def test_the_excess_of_one_gaussian_is_half_of_d_plus_5_times_the_trace_over_n():
    d, n, repeats = 5, 400, 300
    rng = np.random.default_rng(8)
    draw = functools.partial(rng.normal, scale=2.0, size=(n, d))
    values = [frechet.of_features(draw(), draw()) for _ in range(repeats)]
    assert np.mean(values) == pytest.approx((d + 5) * 4 * d / 2 / n, rel=0.06)


def test_fewer_samples_than_dimensions_make_a_warning_and_enough_make_none():
    sentence = frechet.scarce(64, 400)
    assert "Only 64 samples for features of 400 dimensions" in sentence
    assert "biased upwards" in sentence
    assert frechet.scarce(400, 400) == frechet.scarce(2048, 400) == ""


def test_features_that_are_not_finite_are_refused_with_their_first_row():
    x = features(9, 6, 3)
    x[2, 1], x[4] = np.nan, np.inf
    with pytest.raises(ValueError, match="first features hold NaN .* 2 of 6 rows, .* is row 2"):
        frechet.of_features(x, features(9, 6, 3))


@pytest.mark.parametrize("shape", [(0, 4), (4,), (4, 0), (2, 3, 4)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"are \[samples, dimensions\], 1 or more of each; got"):
        frechet.of_features(np.eye(4), np.zeros(shape))


def test_one_sample_has_no_covariance_and_no_distance():
    with pytest.raises(ValueError, match="2 samples or more, got 1"):
        frechet.of_features(np.ones((1, 3)), np.eye(3)[:2])


def test_features_of_two_judges_are_refused():
    with pytest.raises(ValueError, match="of 3 and of 4 dimensions: both must be of one judge"):
        frechet.of_features(np.eye(3), np.eye(4))
