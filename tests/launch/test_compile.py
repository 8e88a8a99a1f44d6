import json
import re

import jax
import pytest

from launch.compile import __main__ as door
from launch.compile import compiling, settings
from pv_vae_jax.sharding import topologies

CONFIG = "tests/configs/smallest.py"


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """In this process, which has its 8 devices already."""
    monkeypatch.setattr(door, "_environment", lambda topology: None)


def run(*arguments):
    return door.main([f"--config={CONFIG}", "--topology=cpu:8", *arguments])


def test_the_figures_of_a_program_are_printed_and_written(tmp_path, capsys):
    path = tmp_path / "decode.json"
    assert run("--what=decode", "--per-device=2", f"--json={path}") == 0
    told, found = capsys.readouterr(), json.loads(path.read_text())
    assert "decode, pv_vae_tiny, 16 clips of 9 x 16 x 16, effort default on cpu:8" in told.out
    assert "compiling decode for cpu:8, effort default: " in told.err
    assert found["devices"] == 8 and found["fits"] is None and "roofline" not in found
    assert found["model_flops"] == found["hardware_flops"] > 1e6
    assert found["total"] > found["parameters"] > 1e5
    assert found["bytes"] == pytest.approx(found["bytes_by_xla"], rel=0.3)  # no loop in it
    assert found["versions"]["jax"] == jax.__version__


def test_counting_compiles_nothing(monkeypatch, capsys):
    monkeypatch.setattr(jax.stages.Lowered, "compile", None)
    assert run("--count", "--what=encode") == 0
    told = capsys.readouterr().out
    assert "counted only" in told and "model FLOPs" in told and "not compiled" in told


def test_a_program_that_is_too_large_is_told_with_its_numbers(monkeypatch, capsys):
    def refuse(self, compiler_options):
        raise jax.errors.JaxRuntimeError(
            "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO "
            "temporaries (50.45G) exceeds available HBM (15.75G)."
        )

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    assert run("--what=encode") == 1
    told = capsys.readouterr().out
    assert "50.45 GiB; does NOT fit 15.75 GiB" in told and "model FLOPs" in told


def test_another_refusal_of_the_compiler_is_an_error(monkeypatch):
    def refuse(self, compiler_options):
        raise jax.errors.JaxRuntimeError("INTERNAL: no")

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    with pytest.raises(ValueError, match="the compiler refuses: INTERNAL: no"):
        run("--what=encode")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--effort=2",), "--effort 2: it is one of default, -1"),
        (("--stage=late",), "--stage late: the stages are"),
        (("--per-device=-1",), "--per-device -1: a number of clips, or 0 for the config's"),
        (("--what=encode", "--withheld=1"), "--withheld 1 is of training: encode has whole clips"),
        (("--bucket=5",), "--bucket 5: predictive has 1 bucket"),
        (("--set", "model.fields.remats=none"), "has no key model.fields.remats; .* remat"),
        (("--set", "model.fields.remat=3"), "model.fields.remat is 'none', a str; got a int"),
        (("--set", "seed"), "write it as key=value"),
        (("--what=train", "--set", "stages.predictive.optimizer.accumulate=3"), "3 micro-batches"),
    ],
)
def test_what_cannot_be_compiled_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        run(*arguments)


def test_settings_change_values_and_keep_types():
    config = settings.read(
        CONFIG,
        [
            "stages.predictive.optimizer.learning_rate=1",
            "config.stages.predictive.data.buckets=((32, 32, 16, 1),)",
            "model.fields.remat=block",
        ],
    )
    stage = config["stages"]["predictive"]
    assert stage["optimizer"]["learning_rate"] == 1.0
    assert stage["data"]["buckets"] == ((32, 32, 16, 1),)
    assert config["model"]["fields"]["remat"] == "block"


def test_progress_says_how_long_it_takes(capsys):
    import time

    assert compiling.watched("sleeping", lambda: time.sleep(0.2) or 7, every=0.05) == 7
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3 and lines[0].startswith("sleeping ... 0 s")
    assert re.fullmatch(r"sleeping: \d+\.\d s", lines[-1])


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["v5e:2x2", "h100:8"])
def test_the_tiny_step_compiles_for_an_accelerator(topology, tmp_path):
    try:
        topologies.parse(topology).devices()
    except ValueError as error:
        pytest.skip(str(error))
    path = tmp_path / "step.json"
    arguments = [f"--config={CONFIG}", f"--topology={topology}", "--effort=-1", f"--json={path}"]
    assert door.main(arguments) == 0
    found = json.loads(path.read_text())
    assert found["fits"] and 0 < found["roofline"]["mfu"] < 1
    assert {row["kind"] for row in found["collectives"]} >= {"all-reduce"}
