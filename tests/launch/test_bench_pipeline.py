import re
import runpy
import sys

import numpy as np
import pytest

from launch import door
from launch.bench import pipeline
from pv_vae_jax.data import video_files
from tests.launch import runs


def test_the_benchmark_prints_both_figures_and_their_ratio(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    video = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    video_files.write(tmp_path / "films" / "a.mp4", [video])
    options = ["--steps", "2", "--rounds", "1", "--batch", "2", "--size", "16"]
    assert pipeline.main([str(tmp_path / "films"), *options]) == 0
    said = capsys.readouterr().out
    made, decoded, ratio = (float(n) for n in re.findall(r"^[a-z ]+ +([0-9.]+)", said, re.M))
    assert made > 0 and decoded > 0 and abs(ratio - made / decoded) < 0.01 * ratio + 0.01
    assert pipeline.main(["rendered", *options]) == 0
    assert "ratio" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["pipeline", "convolution", "sources"])
def test_a_benchmark_by_its_own_name_is_a_door_too(name, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    entered = []
    monkeypatch.setattr(door, "run", entered.append)
    monkeypatch.delitem(sys.modules, f"launch.bench.{name}", raising=False)
    runpy.run_module(f"launch.bench.{name}", run_name="__main__")
    assert [main.__name__ for main in entered] == ["main"]


def test_a_folder_that_is_not_there_is_a_sentence():
    done = runs.door("launch.bench.pipeline", "no/such")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "no video folder, list or file at" in done.stderr.splitlines()[-1]
