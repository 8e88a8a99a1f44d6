import dataclasses
import json

import jax
import numpy as np
import pytest

from launch import diagnose, models
from pv_vae_jax.data import video_files
from pv_vae_jax.models.video_vae import VideoVAE
from tests import tiny


class Patches(tiny.LinearVAE):
    """A model that compiles at once, and takes whole clips alone."""

    spec = dataclasses.replace(tiny.LinearVAE.spec, streaming="none")


@pytest.fixture
def model(monkeypatch):
    module = Patches()
    params = jax.jit(module.init)(jax.random.key(0), np.zeros((1, 1, 16, 16, 3)))["params"]
    vae = VideoVAE(module, params, np.zeros(4), np.ones(4), {})
    monkeypatch.setattr(models, "load", lambda name, weights: (vae, {"name": name}))
    return "patches"


def test_the_door_writes_pictures_and_figures(model, tmp_path, capsys):
    form = ["--frames", "5", "--size", "48", "--tile", "32x48", "--blend", "--piece", "1"]
    diagnose.main(["--model", model, "--out", str(tmp_path), *form])
    report = json.loads((tmp_path / "diagnostics.json").read_text())
    assert report["seams"]["chunks (whole)"]["decibels"] > 100
    assert report["seams"]["tiles of 32x48 (blended)"]["decibels"] > 100  # patches have no seams
    assert set(report["one_colour"]["repeats_every"]) == {"2", "4", "8", "16"}
    assert report["one_colour"]["white_noise"]["4"] == pytest.approx(15 / 255)  # of 16 pixels
    assert report["receptive_field"]["latent"]["t"] == [0, 0]
    for name in ("seams.png", "spectrum.png"):
        assert (tmp_path / name).read_bytes()[1:4] == b"PNG"
    said = capsys.readouterr().out
    assert "chunks (whole): " in said and "every 16 pixels 100" in said and "latent: t 0, 0" in said
    assert "every 4 pixels" in said and "(white noise: 5.88%)" in said


def test_what_does_not_fit_is_told(model, tmp_path):
    video_files.write(tmp_path / "short.mp4", [np.zeros((7, 32, 32, 3), np.uint8)])
    arguments = ["--model", model, "--out", str(tmp_path / "out"), "--size", "32"]
    with pytest.raises(ValueError, match="short.mp4 has 7 frames, fewer than 9: use --frames 5"):
        diagnose.main([*arguments, "--input", str(tmp_path / "short.mp4"), "--frames", "9"])
    with pytest.raises(ValueError, match="1 \\+ 4n frames, got 8"):
        diagnose.main([*arguments, "--frames", "8"])
    with pytest.raises(ValueError, match="--piece is at least 1 latent step, got 0"):
        diagnose.main([*arguments, "--piece", "0"])
    assert not (tmp_path / "out").exists()


def test_a_short_film_is_told_with_a_length_of_the_model(model, monkeypatch, tmp_path):
    video_files.write(tmp_path / "short.mp4", [np.zeros((7, 32, 32, 3), np.uint8)])
    pairs = dataclasses.replace(Patches.spec, temporal=2)
    monkeypatch.setattr(Patches, "spec", pairs)
    with pytest.raises(ValueError, match="7 frames, fewer than 9: use --frames 7 or"):
        diagnose.main(
            ["--model", model, "--out", str(tmp_path / "out"), "--size", "32", "--frames", "9",
             "--input", str(tmp_path / "short.mp4")]
        )  # fmt: skip
