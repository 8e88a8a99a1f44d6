"""Public checkpoints behind the doors: reconstruct, export and back, the start of a training."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy

from configs import predictive_wan
from launch import export as export_door
from launch import reconstruct
from pv_vae_jax.checkpoint import export
from pv_vae_jax.core import trees
from pv_vae_jax.data import video_files
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import beginning, placement
from pv_vae_jax.training.vae_run import VAERun
from pv_vae_jax.zoo import registry

NAME = "wan2.1"
WIDTHS = {"encoder_widths": (4, 4, 8, 8), "decoder_widths": (4, 4, 8, 8)}


@pytest.fixture
def small(monkeypatch):
    """wan2.1 is narrow here, so that its public checkpoint is small."""
    baseline = registry.BASELINES[NAME]
    narrow = dataclasses.replace(baseline, fields=baseline.fields | WIDTHS)
    monkeypatch.setitem(registry.BASELINES, NAME, narrow)
    return registry.create(NAME, seed=5)


@pytest.fixture
def checkpoint(small, tmp_path):
    path = tmp_path / "Wan2.1_VAE.safetensors"
    registry.to_reference(path, small, "official")
    return str(path)


def leaves(params):
    return {path: np.asarray(leaf) for path, leaf in trees.flatten(params).items()}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for path, leaf in ours.items():
        np.testing.assert_array_equal(leaf, theirs[path])


@pytest.mark.slow
def test_a_checkpoint_becomes_an_export_and_goes_back_under_either_names(
    small, checkpoint, tmp_path, capsys
):
    ours, theirs = str(tmp_path / "wan.npz"), str(tmp_path / "wan.safetensors")
    export_door.main(["--model", NAME, "--weights", checkpoint, "--out", ours])
    assert_same(leaves(export.load(ours).params), leaves(small.params))
    assert export.read_metadata(ours)["training"]["weights"] == checkpoint
    np.testing.assert_allclose(export.load(ours).mean[:2], [-0.7571, -0.7089])
    export_door.main(["--model", ours, "--layout", "diffusers", "--out", theirs])
    assert "decoder.up_blocks.0.resnets.0.conv1.weight" in safetensors.numpy.load_file(theirs)
    assert_same(leaves(registry.from_reference(NAME, theirs).params), leaves(small.params))
    assert "wan2.1 t4s8c16" in capsys.readouterr().out


def test_a_layout_that_does_not_exist_is_refused(checkpoint, tmp_path):
    out = str(tmp_path / "wan.safetensors")
    with pytest.raises(ValueError, match="no layout 'keras'; there are: official, diffusers"):
        export_door.main(
            ["--model", NAME, "--weights", checkpoint, "--out", out, "--layout", "keras"]
        )
    with pytest.raises(ValueError, match="pv_vae_tiny has no reference implementation"):
        export_door.main(["--model", "pv_vae_tiny", "--layout", "official", "--out", out])


def test_a_video_is_reconstructed_by_public_weights(checkpoint, small, tmp_path):
    films = tmp_path / "films"
    levels = np.arange(9, dtype=np.uint8)[:, None, None, None] * 25
    video_files.write(films / "a.mp4", [np.broadcast_to(levels, (9, 16, 16, 3))], rate=12.0)
    out = tmp_path / "out"
    arguments = ["--model", NAME, "--weights", checkpoint, "--input", films, "--out", out]
    reconstruct.main(list(map(str, arguments)))
    report = json.loads((out / "metrics.json").read_text())
    assert report["model"]["name"] == NAME and report["model"]["file"] == checkpoint
    assert report["videos"][0]["frames"] == 9


def config_of(small, **fields):
    config = predictive_wan.get_config("wan2.1,tiny").to_dict()
    config["model"]["fields"].update(WIDTHS | fields)
    return config


@pytest.mark.slow
def test_predictive_training_starts_from_a_public_checkpoint_with_a_fresh_token(checkpoint, small):
    config = config_of(small)
    config["stages"]["predictive"]["init_from"] = checkpoint
    run = VAERun.of(config)
    assert run.stages[0].withholding.way == "slice" and run.stages[0].name == "predictive"
    mesh = meshes.make_mesh()
    placed = placement.of_state(run.stages[0], mesh, placement.shapes(run, run.stages[0]))
    state = beginning.begin(run, placed, None)
    found = leaves(state.params)
    token = found.pop("padding/token")
    assert token.shape == (16,) and np.abs(token).max() > 0
    assert_same(found, leaves(small.params))
    np.testing.assert_allclose(np.asarray(state.latent_std)[0], 2.8184, rtol=1e-6)


@pytest.mark.parametrize("name", ["hunyuan", "cogvideox_2b"])
def test_mask_is_refused_where_the_encoder_is_not_causal(name):
    config = predictive_wan.get_config("wan2.1,tiny").to_dict()
    config["model"] = {"name": name, "fields": registry.fields(name, padding="token")}
    VAERun.of(config)
    config["stages"]["predictive"]["withholding"]["way"] = "mask"
    with pytest.raises(ValueError, match=f"in {name} latents depend on later frames: set"):
        VAERun.of(config)
