"""A generator by launch.compile: the same report, and a sentence where a flag says nothing."""

import json

import pytest

from launch.compile import __main__ as door

CONFIG = "tests/configs/smallest_generator.py:pv_vae_tiny"


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """In this process, which has its 8 devices already."""
    monkeypatch.setattr(door, "_environment", lambda topology: None)


def run(*arguments, config=CONFIG):
    return door.main([f"--config={config}", "--topology=cpu:8", *arguments])


def test_the_figures_of_an_update_are_printed_and_written(tmp_path, capsys):
    path = tmp_path / "train.json"
    assert run("--stage=generator", "--per-device=2", f"--json={path}") == 0
    told, found = capsys.readouterr(), json.loads(path.read_text())
    of = "train of generator, latte_tiny on pv_vae_tiny t4s16c64, 16 clips of 5 x 16 x 16"
    assert f"{of}, effort default on cpu:8" in told.out
    assert "compiling train of generator for cpu:8, effort default: " in told.err
    assert found["optimizer"] == pytest.approx(3 * found["parameters"], rel=0.05)
    assert [row["kind"] for row in found["collectives"]] == ["all-reduce"]
    assert found["collectives"][0]["operand"] >= found["parameters"]


def test_the_figures_of_sampling_are_of_all_its_steps(tmp_path, capsys):
    found = {}
    for steps in (3, 6):
        path = tmp_path / f"{steps}.json"
        asked = ("--what=sample", f"--json={path}", "--count", "--set", f"sampling.steps={steps}")
        assert run(*asked) == 0
        found[steps] = json.loads(path.read_text())
    told = capsys.readouterr().out
    # runtime.batch is 4, the devices are 8
    assert "sample by 6 steps of euler, latte_tiny on pv_vae_tiny t4s16c64, 8 clips of" in told
    assert found[6]["model_flops"] == 2 * found[3]["model_flops"] > 0
    assert found[3]["optimizer"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--what=decode",), "--what decode: the programs of a generator are train, sample"),
        (("--per-device=1", "--withheld=1"), "--withheld 1: a generator sees all groups"),
        (("--bucket=1",), "--bucket 1: generator has 1 bucket"),
        ((), "batch of 4 clips does not divide over 8 devices"),
        (("--per-device=1", "--set", "tokenizer.model=x.npz"), "got 'x.npz'; there are pv_vae_"),
        (("--what=sample", "--set", "sampling.solver=rk4"), "config.sampling: a solver is one of"),
    ],
)
def test_what_cannot_be_compiled_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        run(*arguments)


def test_a_video_vae_has_no_samples():
    with pytest.raises(ValueError, match="--what sample: the programs are train, encode, decode"):
        run("--what=sample", config="tests/configs/smallest.py")
