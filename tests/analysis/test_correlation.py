"""Points whose correlation is known by hand, from folders as the doors leave them."""

import json
import math

import numpy as np
import pytest

from pv_vae_jax.analysis import correlation, finding
from pv_vae_jax.analysis.finding import Figure, Finding
from pv_vae_jax.models import identity
from pv_vae_jax.models.generator import LatentForm
from tests.analysis import pixels

PROTOCOL = {"name": "small-ltd", "frames": 17}
SAMPLES = {"name": "small-gen", "videos": 24}


def model(folder, error, step=None, frames=17, vae=None):
    """OUT/LABEL with the finding "prediction"."""
    vae = vae or pixels.vae()
    training = {} if step is None else {"stage": "predictive", "step": step}
    known = {"identity": identity.identity(vae), "digest": finding.digest(vae)}
    about = pixels.about(folder.name) | known | {"training": training}
    figures = {"prediction": Figure("prediction MSE", error, error - 0.01, error + 0.01)}
    finding.write(folder, Finding("prediction", about, PROTOCOL | {"frames": frames}, {}, figures))
    return folder


def generated(folder, fvd, run=True, videos=24, latents=None):
    """A run with one interval, or a result of launch.evaluate."""
    result = {
        "protocol": SAMPLES | {"videos": videos},
        "figures": {"fvd": {"value": fvd, "low": fvd - 1, "high": fvd + 1}},
    }
    place = folder / "evaluation" / "generator-0000100" if run else folder
    place.mkdir(parents=True)
    (place / "results.json").write_text(json.dumps(result))
    if run:
        record = {"stage": "generator", "step": 100, "samples/fvd": fvd}
        (folder / "metrics.jsonl").write_text(json.dumps(record) + "\n")
        form = LatentForm(identity.identity(latents or pixels.vae()), (5, 16, 16, 3))
        (folder / "latents.json").write_text(json.dumps(form.as_dict()))
    return folder


def points_of(tmp_path, pairs, series="", **fields):
    texts = []
    for n, (error, fvd) in enumerate(pairs):
        one = model(tmp_path / f"m{series}{n}", error, step=100 * n, **fields)
        texts.append(
            f"{series}{':' * bool(series)}{one}={generated(tmp_path / f'g{series}{n}', fvd)}"
        )
    return texts


def test_what_goes_together_has_rank_correlation_1_and_an_exact_p(tmp_path):
    texts = points_of(tmp_path, [(0.1, 50), (0.2, 60), (0.3, 90), (0.4, 400)])
    known = correlation.values(correlation.points(texts), "fvd")
    assert known["correlation"]["rho"] == pytest.approx(1)
    assert known["correlation"]["p"] == pytest.approx(2 / math.factorial(4))
    assert known["correlation"]["method"] == "all 24 pairings"
    assert known["trends"][""]["rho"] == pytest.approx(1)
    assert known["points"][1]["generation"] == {"value": 60, "low": 59, "high": 61}
    json.dumps(known, allow_nan=False)


def test_each_recipe_has_a_trend_of_its_own(tmp_path):
    texts = points_of(tmp_path, [(0.3, 90), (0.2, 60), (0.1, 50)], "predictive")
    texts += points_of(tmp_path, [(0.3, 90), (0.3, 80), (0.3, 85)], "plain")
    known = correlation.values(correlation.points(texts), "fvd")
    assert known["trends"]["predictive"]["rho"] == pytest.approx(-1)
    assert known["trends"]["plain"]["rho"] == pytest.approx(-0.5)
    told = correlation.text(known)
    assert "| predictive | mpredictive1 | predictive 100 | 0.20000 | 60.00 |" in told
    assert "FVD against training steps of predictive: rank correlation -1.000" in told
    assert correlation.draw(tmp_path, known) == ["correlation.png", "correlation.svg"]
    assert (tmp_path / "correlation.png").read_bytes()[:4] == b"\x89PNG"


def test_steps_of_two_stages_are_ranked_apart():
    def point(stage, step, fvd):
        return correlation.Point("m", "s", {"value": fvd}, {"value": fvd}, stage, step, None)

    found = [point("predictive", step, 200 - step) for step in (10, 30, 50)]
    found += [point("decoder", step, 150 - step) for step in (10, 20, 30)]
    trends = correlation.values(found, "fvd")["trends"]
    assert set(trends) == {"s in predictive", "s in decoder"}
    assert all(trend["rho"] == pytest.approx(-1) for trend in trends.values())
    assert set(correlation.values(found[:3], "fvd")["trends"]) == {"s"}


def test_many_points_have_a_p_of_random_pairings_and_equal_ones_none():
    x = np.random.default_rng(0).normal(size=12)
    found = correlation.ranks(x, np.random.default_rng(1).normal(size=12))
    assert found["method"] == "10000 random pairings" and found["p"] > 0.05
    assert correlation.ranks(x, x**3)["p"] < 0.001
    assert correlation.ranks([1, 1, 1], [1, 2, 3])["rho"] == 0


def test_a_result_of_samples_stands_for_a_run(tmp_path):
    texts = points_of(tmp_path, [(0.1, 50), (0.2, 60)])
    texts.append(f"{model(tmp_path / 'm', 0.3)}={generated(tmp_path / 'g', 70, run=False)}")
    found = correlation.points(texts)
    assert [point.generator is None for point in found] == [False, False, True]
    assert found[2].step is None and found[2].generation["value"] == 70


def test_points_measured_otherwise_or_of_other_latents_are_refused(tmp_path):
    texts = points_of(tmp_path, [(0.1, 50), (0.2, 60)])
    longer = model(tmp_path / "m", 0.3, frames=33)
    with pytest.raises(ValueError, match="otherwise: prediction.frames: 17, 33"):
        correlation.points([*texts, f"{longer}={generated(tmp_path / 'g', 70)}"])
    fewer = generated(tmp_path / "h", 70, videos=12)
    with pytest.raises(ValueError, match="otherwise: samples.videos: 24, 12"):
        correlation.points([*texts, f"{model(tmp_path / 'n', 0.3)}={fewer}"])
    other = generated(tmp_path / "i", 70, latents=pixels.vae(2.0))
    with pytest.raises(ValueError, match="the latents of .* were made by other weights"):
        correlation.points([*texts, f"{model(tmp_path / 'o', 0.3)}={other}"])
    with pytest.raises(ValueError, match="has no kvd of samples"):
        correlation.points(texts * 2, "kvd")


@pytest.mark.parametrize(
    "texts, message",
    [
        (["a=b"] * 2, "3 points or more, got 2"),
        (["a"] * 3, r"a point is \[SERIES:\]MODEL=GENERATION, two folders; got 'a'"),
        (["a="] * 3, "a point is"),
    ],
)
def test_a_point_of_another_form_is_a_sentence(texts, message):
    with pytest.raises(ValueError, match=message):
        correlation.points(texts)
    with pytest.raises(ValueError, match="--figure is one of fvd, kvd; got 'is'"):
        correlation.points(texts, "is")


@pytest.mark.parametrize(
    "text, parts",
    [
        ("a/b=c", ("", "a/b", "c")),
        ("plain:a/b=c", ("plain", "a/b", "c")),
        ("gs://a/b=gs://c", ("", "gs://a/b", "gs://c")),
        ("plain:gs://a/b=c", ("plain", "gs://a/b", "c")),
    ],
)
def test_a_series_is_told_from_a_url(text, parts):
    assert correlation._parts(text) == parts


def test_a_generator_that_measured_nothing_is_a_sentence(tmp_path):
    texts = points_of(tmp_path, [(0.1, 50), (0.2, 60), (0.3, 70)])
    for path in (tmp_path / "g2").rglob("results.json"):
        path.unlink()
    with pytest.raises(ValueError, match="g2 has no results of its samples: train it with"):
        correlation.points(texts)
