"""What a generator's run shows of itself: a grid, and figures by a protocol, with a small judge."""

import json
import types

import jax
import numpy as np
import PIL.Image
import pytest

from pv_vae_jax.evaluation import convergence, sample_pictures, setting
from pv_vae_jax.evaluation import generator_during_training as during
from pv_vae_jax.models.generator import Generator
from tests.evaluation import judges
from tests.models.test_generator import generator_of

PROTOCOL = "small-gen+datasets=rendered+videos=6+frames=5+height=16+width=16"


def run_of(vae, **runtime):
    values = {"samples": 4, "batch": 8, "protocol": PROTOCOL, "protocol_data": ()}
    config = {
        "seed": 3,
        "sampling": {"steps": 2, "solver": "euler", "guidance": 1.0, "shift": 1.0},
        "runtime": values | runtime,
        "run": ("generator",),
        "stages": {"generator": {"flow": {"drop": 0.1}, "init_from": ""}},
    }
    form = types.SimpleNamespace(shape=(2, 1, 1, 4))  # 5 frames of 16 x 16
    module = types.SimpleNamespace(classes=0)
    return types.SimpleNamespace(config=config, seed=3, tokenizer=vae, latents=form, module=module)


@pytest.fixture
def judge(monkeypatch, tmp_path):
    it = judges.Moments()
    it.check = lambda: True
    monkeypatch.setattr(setting.i3d, "load", lambda file: it)
    monkeypatch.setattr(setting.judging.cache, "folder", lambda name: tmp_path / "cache" / name)
    return it


def test_samples_are_measured_at_intervals_by_one_protocol(vae, judge, tmp_path):
    run = tmp_path / "run"
    evaluated, generator = during.Evaluate(run_of(vae)), generator_of(vae)
    found = [
        evaluated(generator, None, run / "pictures" / f"generator-{step:07d}") for step in (10, 20)
    ]
    assert found[0] == found[1]  # the same generator, the same seed
    assert set(found[0]) == {"samples/fvd", "samples/kvd"} and np.isfinite(found[0]["samples/fvd"])
    assert judge.looked <= 3 * 8  # the six real clips once, six samples at each interval
    assert not list(run.rglob("*.npz")) or {"rows"} == {p.parent.name for p in run.rglob("*.npz")}
    records = [
        {"stage": "generator", "step": step} | values
        for step, values in zip((10, 20), found, strict=True)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (one,) = convergence.compared([run])
    assert one.steps == (10, 20) and one.reached == 10 and one.less == 0
    report = evaluated.report(generator, None, run)
    assert "fvd" in report and json.loads((run / "results.json").read_text()) == found[0]
    params = jax.tree.map(lambda leaf: leaf + 0.3, generator.params)  # trained further
    further = Generator(generator.module, params, generator.latents, generator.config)
    evaluated.report(further, None, run)
    assert json.loads((run / "results.json").read_text()) != found[0]


@pytest.mark.parametrize("change", ["+frames=3", "+seed=1", "moved"])
def test_a_run_that_goes_on_is_measured_whatever_was_measured_before(
    vae, judge, tmp_path, monkeypatch, change
):
    generator, run = generator_of(vae), tmp_path / "run"
    first = during.Evaluate(run_of(vae))(generator, None, run / "pictures" / "final")
    if change == "moved":
        monkeypatch.chdir(tmp_path)
        run, change = during.pathlib.Path("run"), ""
    evaluated = during.Evaluate(run_of(vae, protocol=PROTOCOL + change))
    found = evaluated(generator, None, run / "pictures" / "final")
    assert np.isfinite(found["samples/fvd"])
    assert (found == first) == (not change)


def test_the_classifier_of_a_protocol_is_not_asked_for(vae, judge, tmp_path):
    used = "ucf101-gen+datasets=rendered+split=held_out+videos=6+frames=5+height=16+width=16"
    evaluated = during.Evaluate(run_of(vae, protocol=used))
    found = evaluated(generator_of(vae), None, tmp_path / "run" / "pictures" / "final")
    assert np.isfinite(found["samples/kvd"])


def test_without_a_tokenizer_nothing_is_shown(vae, tmp_path):
    evaluated = during.Evaluate(run_of(None, protocol=""))
    assert evaluated(generator_of(vae), None, tmp_path / "a" / "b") == {}
    with pytest.raises(ValueError, match="config.tokenizer has to name what decodes them"):
        during.Evaluate(run_of(None))


def test_values_that_cannot_be_are_told_before_the_first_update(vae, judge, monkeypatch):
    with pytest.raises(ValueError, match="no protocol is named 'large'"):
        during.Evaluate(run_of(vae, protocol="large"))
    with pytest.raises(ValueError, match="protocol_data films=/a: films is none of rendered"):
        during.Evaluate(run_of(vae, protocol_data=("films=/a",)))
    with pytest.raises(ValueError, match="small is of reconstruction: name one of generation"):
        during.Evaluate(run_of(vae, protocol="small"))
    with pytest.raises(
        ValueError, match=r"of 9 x 32 x 32, .* 5 x 16 x 16: add \+frames=5\+height=16"
    ):
        during.Evaluate(run_of(vae, protocol="small-gen"))
    small = "ucf101-gen+frames=5+height=16+width=16"
    with pytest.raises(FileNotFoundError, match="/no/such"):
        during.Evaluate(run_of(vae, protocol=small, protocol_data=("/no/such",)))
    run = run_of(vae)
    run.config["sampling"]["guidance"] = 4.0
    with pytest.raises(ValueError, match="config.sampling: guidance = 4.0 needs labels to guide"):
        during.Evaluate(run)
    run.module.classes, run.config["stages"]["generator"]["flow"]["drop"] = 3, 0.0
    with pytest.raises(ValueError, match="guidance = 4.0 mixes in a velocity without label, which"):
        during.Evaluate(run)
    missing = FileNotFoundError("no weights of I3D")
    monkeypatch.setattr(setting.i3d, "load", lambda file: (_ for _ in ()).throw(missing))
    with pytest.raises(FileNotFoundError, match="no weights of I3D"):
        during.Evaluate(run_of(vae))
    run = run_of(vae)
    run.config["sampling"]["steps"] = 0
    with pytest.raises(ValueError, match="config.sampling: a sampler takes at least 1 step"):
        during.Evaluate(run)


def test_a_grid_has_each_sample_in_its_place(tmp_path):
    videos = np.stack([np.full((5, 32, 48, 3), 40 * i, np.uint8) for i in range(5)])
    grid = sample_pictures.arranged(videos)
    assert grid.shape == (5, 2 * 64, 3 * 96, 3)  # twice as large, 3 columns, 2 rows
    assert [int(grid[0, 10 + 64 * (i // 3), 10 + 96 * (i % 3), 0]) for i in range(6)] == [
        0, 40, 80, 120, 160, 255
    ]  # fmt: skip
    sample_pictures.write(tmp_path / "grid", videos, 8.0)
    with PIL.Image.open(tmp_path / "grid" / "grid.png") as picture:
        assert picture.size == (5 * 96, 5 * 64)  # a row for each sample, a column for each moment
