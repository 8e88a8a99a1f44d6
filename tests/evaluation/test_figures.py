import numpy as np
import pytest

from pv_vae_jax.evaluation import figures
from pv_vae_jax.evaluation.rows import Row
from pv_vae_jax.metrics import frechet, inception_score, kernel


def rows(n, seed=0, shift=0.0, classifier=False):
    random = np.random.default_rng(seed)
    found = []
    for i in range(n):
        original = random.standard_normal(3)
        features = {"original": original + shift, "result": original + 0.1 * random.random(3)}
        if classifier:
            features["classifier"] = 3 * random.standard_normal(5)
        values = {"psnr": 30.0 + i // 2, "ssim": 0.9, "lpips": 0.1 * random.random()}
        found.append(Row(f"v{i}", f"film {i // 2}", values=values, features=features))
    return found


def test_figures_of_a_reconstruction_are_means_and_the_distance_of_all_rows():
    some = rows(20)
    found = figures.reconstruction(some, seed=0)
    assert list(found) == ["psnr", "ssim", "lpips", "rfvd"]
    assert found["psnr"].value == pytest.approx(np.mean([30 + i // 2 for i in range(20)]))
    assert found["ssim"].low == pytest.approx(0.9) == found["ssim"].high
    pair = (np.stack([row.features[name] for row in some]) for name in ("original", "result"))
    assert found["rfvd"].value == frechet.of_features(*pair)
    assert found["rfvd"].low < found["rfvd"].value < found["rfvd"].high
    # Clips of one film count once: 10 films, each of two equal values of PSNR.
    assert "10 sources" in found["psnr"].method
    films = 30 + np.arange(10)
    half = 2.2621572 * films.std(ddof=1) / np.sqrt(10)
    assert found["psnr"].high - found["psnr"].value == pytest.approx(half, rel=1e-6)


def test_figures_of_a_generation_compare_two_sets():
    real, samples = rows(30), rows(30, seed=1, shift=1.0, classifier=True)
    found = figures.generation(real, samples, seed=0, judge="i3d-kinetics400")
    pair = [np.stack([row.features["original"] for row in each]) for each in (real, samples)]
    assert found["fvd"].value == frechet.of_features(*pair)
    assert found["kvd"].value == kernel.distance(*pair)
    logits = np.stack([row.features["classifier"] for row in samples])
    assert found["is"].value == inception_score.score(logits)[0]


def test_an_inception_score_of_another_network_has_another_name():
    found = figures.generation(rows(10), rows(10, seed=1), seed=0, judge="i3d-kinetics400")
    assert "is" not in found and found["is_i3d-kinetics400"].value > 1


def test_fewer_samples_than_dimensions_are_told():
    assert "Only 2 samples for features of 3 dimensions" in figures.warnings(rows(2))[0]
    assert figures.warnings(rows(20)) == []
