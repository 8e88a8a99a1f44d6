"""How much less training one run needs than another, by hand."""

import json

import pytest

from launch import evaluate as door
from pv_vae_jax.evaluation import convergence


def run_of(folder, values, videos=24):
    folder.mkdir(parents=True)
    records = [
        {"stage": "generator", "step": step, "samples/fvd": value} for step, value in values.items()
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    result = folder / "evaluation" / "generator-0000300" / "results.json"
    result.parent.mkdir(parents=True)
    result.write_text(json.dumps({"protocol": {"name": "small-gen", "videos": videos}}))
    return folder


def test_a_step_between_two_measurements_is_found_linearly():
    assert convergence.first_step([100, 200], [50.0, 30.0], 40.0) == 150
    assert convergence.first_step([100, 200], [50.0, 30.0], 60.0) == 100
    assert convergence.first_step([100, 200], [50.0, 30.0], 20.0) is None
    # what gets worse again does not count back
    assert convergence.first_step([100, 200, 300], [50.0, 30.0, 45.0], 45.0) == 125


def test_a_run_that_is_as_good_at_half_of_the_steps_needs_half_of_the_training(tmp_path, capsys):
    slow = run_of(tmp_path / "slow", {100: 80.0, 200: 60.0, 300: 40.0})
    fast = run_of(tmp_path / "fast", {100: 60.0, 200: 20.0, 300: 10.0})
    never = run_of(tmp_path / "never", {100: 90.0, 300: 41.0})
    door.main(["convergence", *map(str, (slow, fast, never)), "--out", str(tmp_path / "out")])
    found = json.loads((tmp_path / "out" / "convergence.json").read_text())["runs"]
    assert [run["reached"] for run in found] == [300, 150, None]
    assert [run["less"] for run in found] == [0, 0.5, None]
    told = capsys.readouterr().out
    assert "| fast | 10.00 at 300 | 150 steps | 50% |" in told and "| never |" in told
    for ending in ("md", "png", "svg"):
        assert (tmp_path / "out" / f"convergence.{ending}").stat().st_size > 100


def test_a_run_that_is_as_good_when_it_is_first_measured_needs_at_most_that(tmp_path, capsys):
    slow = run_of(tmp_path / "slow", {100: 80.0, 400: 40.0})
    fast = run_of(tmp_path / "fast", {100: 30.0, 400: 10.0})
    door.main(["convergence", str(slow), str(fast)])
    assert "| fast | 10.00 at 400 | at most 100 steps | at least 75% |" in capsys.readouterr().out


def test_runs_in_folders_of_one_name_are_told_apart(tmp_path):
    runs = [run_of(tmp_path / name / "run", {100: 80.0}) for name in "ab"]
    assert [each.name for each in convergence.compared(runs)] == list(map(str, runs))


def test_runs_of_other_protocols_are_not_compared(tmp_path):
    one = run_of(tmp_path / "one", {100: 80.0})
    other = run_of(tmp_path / "other", {100: 60.0}, videos=16)
    with pytest.raises(ValueError, match="measured otherwise: videos: 24, 16"):
        convergence.compared([one, other])
    changed = other / "evaluation" / "generator-0000100" / "results.json"  # and back again
    changed.parent.mkdir()
    changed.write_text(json.dumps({"protocol": {"name": "small-gen", "videos": 24}}))
    last = {"protocol": {"name": "small-gen", "videos": 16}, "date": "2026"}
    (other / "evaluation" / "generator-0000300" / "results.json").write_text(json.dumps(last))
    for runs in ([one, other], [other]):
        with pytest.raises(ValueError, match="measured otherwise: videos: 24, 16"):
            convergence.compared(runs)
    drawn = run_of(tmp_path / "drawn", {100: 80.0})
    result = drawn / "evaluation" / "generator-0000300" / "results.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"sampling": {"steps": 1}}))
    with pytest.raises(ValueError, match="measured otherwise: sampling: None, .'steps': 1"):
        convergence.compared([one, drawn])
    with pytest.raises(ValueError, match="has no kvd of its samples: train it with"):
        convergence.compared([one], "kvd")
    with pytest.raises(ValueError, match="--figure is one of fvd, kvd"):
        convergence.compared([one], "psnr")
