import tracemalloc

import numpy as np
import pytest

from pv_vae_jax.metrics import kernel


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate, pair by pair."""

    def k(a, b):
        return (float(np.dot(a, b)) / len(a) + 1) ** 3

    def within(x):
        pairs = [k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
        return np.mean(pairs)

    return within(x) + within(y) - 2 * np.mean([k(a, b) for a in x for b in y])


@pytest.mark.parametrize("rows", [3, 256])  # 3 leaves a block of 1
def test_kvd_is_a_double_loop_over_pairs(rows, monkeypatch):
    monkeypatch.setattr(kernel, "ROWS", rows)
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 2, (7, 5)), rng.normal(0, 3, (10, 5))
    assert kernel.distance(x, y) == pytest.approx(by_definition(x, y), rel=1e-12)
    assert kernel.distance(y, x) == pytest.approx(by_definition(x, y), rel=1e-12)


def test_the_scale_is_that_of_mmd_squared():
    x, y = np.zeros((2, 1)), np.ones((3, 1))  # k(0, .) = 1, k(1, 1) = 8
    assert kernel.distance(x, y) == 1 + 8 - 2


def test_sets_of_one_distribution_scatter_around_zero():
    rng = np.random.default_rng(1)
    values = [kernel.distance(*rng.normal(size=(2, 20, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(400)
    assert 0.3 < np.mean(np.array(values) < 0) < 0.8


def test_memory_stays_below_one_kernel_matrix():
    x = np.random.default_rng(2).normal(size=(2048, 4))
    tracemalloc.start()
    try:
        kernel.distance(x, x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2048 * 2048 * 8 / 2


def test_degenerate_features_are_refused():
    x = np.eye(3)
    with pytest.raises(ValueError, match="2 samples or more of each, got 3 and 1"):
        kernel.distance(x, x[:1])
    with pytest.raises(ValueError, match="of 3 and of 2 dimensions"):
        kernel.distance(x, x[:, :2])
    with pytest.raises(ValueError, match="second features hold NaN or infinity in 1 of 3 rows"):
        kernel.distance(x, np.where(x[:, :1] == 1, np.nan, x))
    with pytest.raises(ValueError, match=r"first features are \[samples, dimensions\]"):
        kernel.distance(x[0], x)
