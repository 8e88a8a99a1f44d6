import re

import numpy as np

from launch.bench import pipeline
from pv_vae_jax.data import video_files


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
