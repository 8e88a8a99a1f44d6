import json

import numpy as np
import pytest

from launch import diagnose
from pv_vae_jax.checkpoint import export
from pv_vae_jax.data import video_files
from pv_vae_jax.zoo import registry
from tests import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.npz"
    export.save(path, registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW))
    return str(path)


def test_the_door_writes_pictures_and_figures(model, tmp_path, capsys):
    form = ["--frames", "5", "--size", "48", "--tile", "32x48", "--blend", "--piece", "1"]
    diagnose.main(["--model", model, "--out", str(tmp_path), *form])
    report = json.loads((tmp_path / "diagnostics.json").read_text())
    assert report["seams"]["chunks (exact)"]["decibels"] > 100
    assert report["seams"]["tiles of 32x48 (blended)"]["decibels"] < 60
    assert set(report["one_colour"]["repeats_every"]) == {"2", "4", "8", "16"}
    assert report["receptive_field"]["latent"]["t"] == [None, 0]
    for name in ("seams.png", "spectrum.png"):
        assert (tmp_path / name).read_bytes()[1:4] == b"PNG"
    said = capsys.readouterr().out
    assert "chunks (exact): " in said and "every 16 pixels" in said and "latent: t None, 0" in said


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
