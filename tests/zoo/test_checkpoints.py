"""A public checkpoint is read whole or refused in one sentence, and nothing in it is executed."""

import dataclasses
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.checkpoint import export
from pv_vae_jax.core import trees
from pv_vae_jax.zoo import checkpoints, registry
from tests.golden.zoo import rule

NARROW = {"encoder_widths": (4, 4, 8, 8), "decoder_widths": (4, 4, 8, 8), "channels": 2}
NAME = "wan2.1"


@pytest.fixture(scope="module")
def narrow():
    return registry.fields(NAME, **NARROW)


@pytest.fixture(scope="module")
def tensors(narrow):
    leaves = trees.flatten(registry.shapes(registry.build(NAME, **narrow)))
    shapes = {path: leaf.shape for path, leaf in leaves.items()}
    entries = registry.BASELINES[NAME].layouts["official"](narrow)
    return {entry.key: rule.tensor(entry.key, entry.shape(shapes)) for entry in entries}


@pytest.fixture
def saved(tmp_path):
    def save(tensors, name="model.safetensors"):
        safetensors.numpy.save_file(tensors, tmp_path / name)
        return tmp_path / name

    return save


def load(path):
    return registry.from_reference(NAME, path, **NARROW)


def test_a_checkpoint_comes_back_under_the_names_of_either_layout(tensors, saved, tmp_path):
    vae = load(saved(tensors))
    registry.to_reference(tmp_path / "official.safetensors", vae, "official")
    again = safetensors.numpy.load_file(tmp_path / "official.safetensors")
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(again[name], tensor)
    registry.to_reference(tmp_path / "diffusers.safetensors", vae, "diffusers")
    other = load(tmp_path / "diffusers.safetensors")
    for ours, theirs in zip(*map(leaves_of, (vae, other)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def leaves_of(vae):
    return [np.asarray(leaf) for leaf in trees.flatten(vae.params).values()]


@pytest.mark.parametrize("prefix", ["", "module.", "vae."])
@pytest.mark.parametrize("wrapper", ["ema_state_dict", "state_dict"])
def test_wrappers_and_prefixes_are_taken_off(tensors, prefix, wrapper):
    wrapped = {prefix + name: tensor for name, tensor in tensors.items()}
    found = checkpoints.unwrapped({"epoch": 3, wrapper: wrapped})
    assert found.keys() == tensors.keys()


def test_an_average_that_was_never_made_is_passed_by(tensors):
    """WF-VAE writes an empty one where --ema is off."""
    wrapped = {"ema_state_dict": {}, "state_dict": {"gen_model": dict(tensors)}}
    assert checkpoints.unwrapped(wrapped).keys() == tensors.keys()


def test_half_precision_becomes_float32(tensors, saved):
    vae = load(saved({name: tensor.astype(np.float16) for name, tensor in tensors.items()}))
    assert all(leaf.dtype == np.float32 for leaf in leaves_of(vae))


def renamed(tensors):
    other = dict(tensors)
    other["decoder.conv9.weight"] = other.pop("decoder.conv1.weight")
    return other


def reshaped(tensors):
    return tensors | {"conv1.bias": np.zeros(7, np.float32)}


@pytest.mark.parametrize(
    "change, sentence",
    [
        (renamed, r"1 missing \(decoder.conv1.weight\); 1 surplus \(decoder.conv9.weight\)"),
        (reshaped, r"1 of another shape \(conv1.bias is \[7\], not \[4\]\)"),
    ],
)
def test_one_message_names_what_differs(tensors, saved, change, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        load(saved(change(tensors)))
    assert "model.safetensors does not hold wan2.1" in str(error.value)
    assert "official layout" in str(error.value)


def test_a_checkpoint_of_another_model_is_said_to_look_like_it(saved):
    fields = registry.fields("wan2.2", **NARROW)
    leaves = trees.flatten(registry.shapes(registry.build("wan2.2", **fields)))
    shapes = {path: leaf.shape for path, leaf in leaves.items()}
    entries = registry.BASELINES["wan2.2"].layouts["diffusers"](fields)
    path = saved({entry.key: np.zeros(entry.shape(shapes), np.float32) for entry in entries})
    with pytest.raises(ValueError, match=r"its names are those of wan2.2 \(diffusers layout\)"):
        load(path)


def test_what_no_model_here_has_is_said_to_be_unknown(saved):
    path = saved({"layer.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(ValueError, match="nor any other model that is known here"):
        load(path)


def test_a_truncated_file_is_refused(tensors, saved):
    path = saved(tensors)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"model.safetensors is not a whole file"):
        load(path)


def test_an_export_of_ours_is_no_checkpoint_of_a_reference(tensors, saved, tmp_path):
    export.save(tmp_path / "ours.safetensors", load(saved(tensors)))
    with pytest.raises(ValueError, match="is an export of pv_vae_jax: load it alone"):
        load(tmp_path / "ours.safetensors")


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    made = tmp_path / "made"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"state_dict": Evil(made)}))
    for name, data in (("zip.pth", content.getvalue()), ("bare.ckpt", pickle.dumps(Evil(made)))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=name):
            load(tmp_path / name)
    assert not made.exists()


def test_a_model_without_public_checkpoints_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'pv_vae_tiny' has no public checkpoints; those that"):
        registry.from_reference("pv_vae_tiny", tmp_path / "model.pth")


def test_a_file_goes_through_the_public_door(tensors, saved, monkeypatch, narrow):
    statistics = {"mean": (0.0, 0.0), "std": (1.0, 1.0)}
    small = dataclasses.replace(registry.BASELINES[NAME], fields=narrow, **statistics)
    monkeypatch.setitem(registry.BASELINES, NAME, small)
    vae = export.load(NAME, weights=saved(tensors))
    assert vae.config["fields"]["encoder_widths"] == (4, 4, 8, 8)
    assert vae.spec.channels == 2
