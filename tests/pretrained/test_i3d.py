import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.core import trees
from pv_vae_jax.pretrained import i3d, i3d_names, i3d_network, i3d_weights, judge, weights
from tests.golden import judges

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "i3d.npz"
HASSONY, PIERGIAJ = i3d_names.TORCH

SMALL = i3d_network.I3D(4, (4, 4, 4), tuple((name, (2,) * 6) for name, _ in i3d_network.BLOCKS))


@pytest.fixture(scope="module")
def fetched():
    try:
        return i3d.load()
    except weights.NoWeights as error:
        pytest.skip(str(error))


@functools.cache
def state(family=HASSONY, norm="batch3d", prefix=""):
    """A state dict of the full shapes, its values from seeds."""
    random = np.random.default_rng(2)
    names = i3d_names.Names(family.units(prefix), norm, prefix + family.logits)
    made = {}
    for name, shape in names.shapes().items():
        value = random.standard_normal(shape, np.float32)
        made[name] = np.abs(value) + 0.5 if name.endswith("running_var") else value
        if name.endswith("running_var"):
            made[name.replace("running_var", "num_batches_tracked")] = np.array(7)
    return made


def test_the_logits_are_those_of_the_network_in_pytorch(fetched):
    golden = np.load(GOLDEN)
    for name, size in judges.CLIPS.items():
        found = np.asarray(fetched.logits(judges.clip(*size)))
        assert (found.shape, found.dtype) == ((1, 400), np.float32)
        error = np.abs(found - golden[name]).max() / np.abs(golden[name]).max()
        assert error < 1e-4, name


def test_the_known_answer_is_met_and_a_change_of_the_weights_is_noticed(fetched):
    assert fetched.sha256 == "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"
    assert fetched.check() is True
    block = fetched.params["mixed_4d"]
    changed = fetched.params | {"mixed_4d": block | {"c": jax.tree.map(jnp.negative, block["c"])}}
    with pytest.raises(ValueError, match="gives other logits than it should: they differ by"):
        dataclasses.replace(fetched, params=changed).check()


def test_floats_in_plus_minus_one_and_bytes_are_judged_alike(fetched):
    video = judge.waves(9)
    as_floats = video.astype(np.float32) / 127.5 - 1
    found, wanted = fetched.logits(as_floats), fetched.logits(video)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_eight_frames_would_leave_nothing_to_average():
    def logits(frames):
        clip = jnp.zeros((1, frames, 224, 224, 3))
        return jax.eval_shape(lambda: SMALL.init_with_output(jax.random.key(0), clip)[0])

    assert logits(i3d_network.LEAST_FRAMES).shape == (1, 4)
    before = i3d_network.LEAST_FRAMES - 1
    for _ in range(3):
        before = -(-before // 2)
    assert before < 2  # the window of equation (3)


def test_folding_is_the_convolution_and_its_batch_norm():
    random = np.random.default_rng(0)
    x, kernel = random.standard_normal((5, 3)), random.standard_normal((3, 4))
    offset, mean, scale = random.standard_normal((3, 1, 1, 4))
    variance = random.uniform(0.1, 2, (1, 1, 4))
    wanted = (x @ kernel - mean) / np.sqrt(variance + 1e-3) * scale + offset
    folded, bias = i3d_weights.fold(kernel, offset, mean, variance, scale)
    np.testing.assert_allclose(x @ folded + bias, wanted[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("family", "norm", "prefix"), [(PIERGIAJ, "bn", ""), (HASSONY, "batch3d", "module.")]
)
def test_both_families_of_names_lead_to_the_same_arrays(family, norm, prefix):
    wanted = i3d_weights.from_torch([state()])
    found = i3d_weights.from_torch([{"state_dict": state(family, norm, prefix)}])
    assert {name: value.shape for name, value in found.items()} == i3d_weights.shapes()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_the_parts_of_a_block_come_to_their_places():
    arrays, theirs = i3d_weights.from_torch([state()]), state()
    entered = arrays["mixed_4c/enter/kernel"]
    assert entered.shape == (1, 1, 1, 512, 160 + 112 + 24)
    name = "mixed_4c.branch_2.0"
    factor = theirs[f"{name}.batch3d.weight"][3] / np.sqrt(
        theirs[f"{name}.batch3d.running_var"][3] + np.float32(1e-3)
    )
    kernel = theirs[f"{name}.conv3d.weight"][3, 7, 0, 0, 0]
    np.testing.assert_allclose(entered[0, 0, 0, 7, 160 + 112 + 3], factor * kernel, rtol=1e-5)
    stem = arrays["conv_1a/kernel"][1, 2, 3, 0, 5] / arrays["conv_1a/kernel"][0, 0, 0, 1, 5]
    kernel = theirs["conv3d_1a_7x7.conv3d.weight"]
    np.testing.assert_allclose(stem, kernel[5, 0, 1, 2, 3] / kernel[5, 1, 0, 0, 0], rtol=1e-5)


def test_a_users_file_is_converted_and_tells_its_own_checksum(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "mine.safetensors"
    safetensors.numpy.save_file(state(), path)
    mine = i3d.load(str(path))
    assert len(mine.sha256) == 64 and mine.check() is False
    assert (mine.name, mine.least_frames, mine.features) == ("i3d-kinetics400", 9, 400)
    wanted = i3d_weights.from_torch([state()])
    found = trees.flatten(mine.params)
    assert found.keys() == wanted.keys()
    np.testing.assert_array_equal(found["mixed_5c/b/kernel"], wanted["mixed_5c/b/kernel"])
    weights.keep("i3d", [path])
    assert weights.origin("i3d") == mine.sha256 == i3d.load().sha256


def test_missing_surplus_and_misshaped_tensors_are_told_in_one_message(tmp_path):
    wrong = dict(state())
    for name in ("mixed_3b.branch_0.conv3d.weight", "conv3d_0c_1x1.conv3d.bias"):
        del wrong[name]
    wrong["mixed_6a.branch_0.conv3d.weight"] = np.zeros(3, np.float32)
    wrong["conv3d_2b_1x1.batch3d.bias"] = np.zeros(65, np.float32)
    path = tmp_path / "wrong.npz"
    np.savez(path, **wrong)
    with pytest.raises(ValueError) as error:
        weights.get("i3d", [path])
    for part in (
        f"{path}: of the 287 tensors of I3D: 2 missing (mixed_3b.branch_0.conv3d.weight, ",
        "; 1 not of I3D (mixed_6a.branch_0.conv3d.weight)",
        "; 1 of another shape (conv3d_2b_1x1.batch3d.bias is [65], wanted [64]).",
    ):
        assert part in str(error.value)


def test_another_network_is_no_i3d(tmp_path):
    np.savez(tmp_path / "other.npz", **{"layer1.weight": np.zeros(3)})
    with pytest.raises(ValueError, match=r"other.npz: it holds no conv3d_1a_7x7.* \(its names: la"):
        i3d.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError, match="there is no file of weights none.pt"):
        i3d.load("none.pt")
