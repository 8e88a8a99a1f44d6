import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from launch import models, reconstruct
from pv_vae_jax.checkpoint import export
from pv_vae_jax.data import video_files
from pv_vae_jax.zoo import registry
from tests import tiny


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny.npz"
    export.save(path, registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW), {"frames": 9})
    return path


@pytest.fixture
def films(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    levels = np.arange(12, dtype=np.uint8)[:, None, None, None] * 20
    video = np.broadcast_to(levels, (12, 32, 32, 3))
    video_files.write(tmp_path / "films" / "a.mp4", [video], rate=12.0)
    (tmp_path / "films" / "empty.mp4").touch()
    return tmp_path / "films"


def test_the_door_writes_pictures_and_figures_with_their_protocol(model, films, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "launch.reconstruct", "--model", model, "--input", films]
    done = subprocess.run(
        [*map(str, command), "--out", str(out), "--observe", "5"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "done: 1, skipped: 1; mean" in done.stdout and "empty.mp4: empty file" in done.stderr
    report = json.loads((out / "metrics.json").read_text())
    assert report["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert report["model"]["trained"] and report["model"]["spec"] == "t4s16c4"
    assert report["protocol"]["observe"] == 5 and "8-bit" in report["protocol"]["pixels"]
    assert report["protocol"]["frames"] == 9  # of the model's training
    assert report["videos"][0]["frames"] == 9 and report["mean"]["prediction_mse"] > 0
    for name in ("side_by_side.mp4", "strip.png"):
        assert (out / "a.mp4" / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("model", "input", "out", "message"),
    [
        ("pv_vae_tiny", "missing", "out", "no video folder, list or file at .*missing"),
        ("pv_vae_tiny", "films", "films/out", "lies inside --input"),
        ("pv_vae_tiny", "films", "films/a.mp4", "lies inside --input"),
        ("pv_vae_tiny", "films/a.mp4", "films/empty.mp4/x", "cannot be written .*: choose another"),
        ("pv_vae_huge", "films", "out", "no model is named 'pv_vae_huge'; there are: pv_vae_tiny"),
        ("missing.npz", "films", "out", "there is no model file missing.npz"),
        ("runs/demo", "films", "out", "--model runs/demo is no .npz or .safetensors file"),
    ],
)
def test_what_cannot_be_read_or_written_is_told(films, tmp_path, model, input, out, message):
    arguments = ["--input", str(tmp_path / input), "--out", str(tmp_path / out)]
    with pytest.raises((ValueError, OSError), match=message):
        reconstruct.main(["--model", model, *arguments])


def test_a_file_in_the_way_is_told_before_there_is_work_to_lose(model, films, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.mp4").touch()
    with pytest.raises(ValueError, match="out/a.mp4 is a file, where the pictures of .* belong"):
        reconstruct.main(
            ["--model", str(model), "--input", str(films), "--out", str(tmp_path / "out")]
        )


def test_fresh_weights_are_said_to_be_untrained(capsys, monkeypatch):
    small = registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW)
    monkeypatch.setattr(registry, "create", lambda name, seed: small)
    _, about = models.load("pv_vae_tiny")
    assert not about["trained"] and about["sha256"] is None
    assert "pv_vae_tiny has fresh weights (seed 0): it is not trained" in capsys.readouterr().err
