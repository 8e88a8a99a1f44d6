import types

import numpy as np
import pytest

from launch import export as door
from pv_vae_jax.checkpoint import export
from pv_vae_jax.training import calibration, restore, runs
from pv_vae_jax.zoo import registry
from tests import tiny


@pytest.fixture
def run(monkeypatch):
    """A run of one stage at step 7, without training it."""
    vae = registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW)
    stage = types.SimpleNamespace(name="decoder", data=types.SimpleNamespace(frames=5))
    videos = np.random.default_rng(0).integers(0, 256, (2, 1, 5, 16, 16, 3), np.uint8)
    run = types.SimpleNamespace(
        config={"seed": 0, "runtime": {"calibration_batches": 2}},
        stages=(stage,),
        calibration_videos=lambda stage, n: iter(videos[:n]),
        calibrates=lambda stage, params: run.encoder,
        encoder=True,
    )
    position = run.position = {"stage": "decoder", "step": 7, "finished": True}
    monkeypatch.setattr(runs, "of_workdir", lambda folder: run)
    monkeypatch.setattr(restore, "exported_model", lambda *arguments: (vae, position))
    run.vae, run.videos = vae, videos
    return run


def test_the_file_says_which_training_it_comes_from(run, tmp_path, capsys):
    door.main(["--workdir", "runs/demo", "--out", str(tmp_path / "demo.npz")])
    training = export.read_metadata(tmp_path / "demo.npz")["training"]
    assert training["stage"] == "decoder" and training["step"] == 7 and training["frames"] == 5
    assert training["config"]["seed"] == 0 and training["calibrated_on_batches"] is None
    assert "pv_vae_tiny t4s16c4" in capsys.readouterr().out


def test_calibration_replaces_the_statistics_and_nothing_else(run, tmp_path):
    path = tmp_path / "demo.npz"
    door.main(["--workdir", "runs/demo", "--out", str(path), "--calibrate", "2"])
    loaded = export.load(path)
    mean, std = calibration.latent_statistics(run.vae.module, run.vae.params, run.videos)
    np.testing.assert_allclose(loaded.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(loaded.std, std, rtol=1e-6)
    assert not np.allclose(loaded.mean, run.vae.mean)
    raw = loaded.posterior(run.videos[0]).mean
    np.testing.assert_array_equal(raw, run.vae.posterior(run.videos[0]).mean)
    assert export.read_metadata(path)["training"]["calibrated_on_batches"] == 2


@pytest.mark.parametrize(
    ("encoder", "finished", "asked", "batches"),
    [
        (True, False, (), 2),
        (True, False, ("--calibrate", "1"), 1),
        (True, False, ("--calibrate", "0"), None),
        (True, True, (), None),
        (False, False, (), None),
    ],
)
def test_a_checkpoint_before_the_end_of_a_stage_has_statistics_of_its_own_encoder(
    run, tmp_path, capsys, encoder, finished, asked, batches
):
    path, run.encoder = tmp_path / "demo.npz", encoder
    run.position["finished"] = finished
    door.main(["--workdir", "runs/demo", "--out", str(path), *asked])
    loaded = export.load(path)
    assert export.read_metadata(path)["training"]["calibrated_on_batches"] == batches
    assert np.allclose(loaded.mean, run.vae.mean) == (batches is None)
    assert ("latent statistics of" in capsys.readouterr().out) == bool(batches)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--calibrate", "-1"], "--calibrate is a number of batches, 0 or more, got -1"),
        (["--step", "5"], "--step 5 is of a stage: name it with --stage"),
        ([], "nowhere is not the folder of a run"),
    ],
)
def test_what_cannot_be_exported_is_told(tmp_path, arguments, message):
    out = ["--workdir", str(tmp_path / "nowhere"), "--out", str(tmp_path / "demo.npz")]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        door.main([*out, *arguments])
