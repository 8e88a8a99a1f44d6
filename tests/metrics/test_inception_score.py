import math

import numpy as np
import pytest

from pv_vae_jax.metrics import inception_score


def by_definition(logits: np.ndarray) -> float:
    """exp of the mean divergence, sample by sample and class by class."""
    n, classes = logits.shape
    p = [[math.exp(v) / sum(math.exp(w) for w in row) for v in row] for row in logits]
    marginal = [sum(row[c] for row in p) / n for c in range(classes)]
    total = 0.0
    for row in p:
        for c in range(classes):
            total += row[c] * (math.log(row[c]) - math.log(marginal[c]))
    return math.exp(total / n)


def test_the_score_is_its_definition():
    logits = np.random.default_rng(0).normal(0, 3, (11, 6))
    mean, deviation = inception_score.score(logits)
    assert mean == pytest.approx(by_definition(logits), rel=1e-12)
    assert deviation == 0
    assert inception_score.score(logits + 700)[0] == pytest.approx(mean, rel=1e-10)


def test_splits_are_scored_by_themselves():
    logits = np.random.default_rng(1).normal(0, 3, (11, 6))
    parts = [by_definition(part) for part in (logits[:3], logits[3:7], logits[7:])]
    mean, deviation = inception_score.score(logits, splits=3)
    assert mean == pytest.approx(np.mean(parts), rel=1e-12)
    assert deviation == pytest.approx(np.std(parts), rel=1e-12)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e300])
def test_sure_samples_of_all_classes_score_the_number_of_classes(size):
    assert inception_score.score(np.tile(np.eye(5), (4, 1)) * size)[0] == pytest.approx(5, 1e-10)
    assert inception_score.score(-np.tile(np.eye(2), (4, 1)) * size)[0] == pytest.approx(2, 1e-10)


def test_samples_that_are_all_alike_score_1():
    for row in ([0.0, 0.0, 0.0], [1e4, 0.0, -1e5]):
        assert inception_score.score(np.tile(row, (6, 1)))[0] == pytest.approx(1, abs=1e-12)


def test_extreme_logits_keep_small_probabilities():
    """Half of the samples are sure of class 0; the others of class 1, but for exp(-800)."""
    logits = np.array([[1e5, 0.0, 0.0], [0.0, 800.0, 0.0]] * 3)
    assert inception_score.score(logits)[0] == pytest.approx(2, rel=1e-12)


def test_fewer_samples_in_a_split_lower_the_score():
    logits = np.random.default_rng(2).normal(0, 4, (200, 20))
    scores = [inception_score.score(logits, splits)[0] for splits in (1, 5, 20)]
    assert scores[0] > scores[1] > scores[2]


def test_degenerate_logits_are_refused():
    logits = np.zeros((4, 3))
    for splits in (0, 5):
        with pytest.raises(ValueError, match=f"4 samples make 1 to 4 splits, got {splits}"):
            inception_score.score(logits, splits)
    with pytest.raises(ValueError, match=r"logits are \[samples, dimensions\]"):
        inception_score.score(logits[0])
    with pytest.raises(ValueError, match="logits hold NaN or infinity in 4 of 4 rows"):
        inception_score.score(logits - np.inf)
