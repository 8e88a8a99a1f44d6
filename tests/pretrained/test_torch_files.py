import hashlib
import os
import pathlib
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.pretrained import torch_files
from tests.golden import inputs

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
FORMATS = ("torch_zip.pth", "torch_legacy.pth")


class Trap:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def flipped(path, folder, position, name="flipped.pth"):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    (folder / name).write_bytes(content)
    return folder / name


def rewritten(folder, tree):
    """The zip golden with another tree."""
    path = folder / "rewritten.pth"
    with zipfile.ZipFile(GOLDEN / FORMATS[0]) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, tree if name.endswith("/data.pkl") else old.read(name))
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_what_torch_wrote_is_read_with_types_shapes_and_strides(name):
    read, wanted = torch_files.read(GOLDEN / name), inputs.state(np)
    assert list(read) == list(wanted)
    for key, value in wanted.items():
        assert (read[key].dtype, read[key].shape) == (value.dtype, value.shape), key
        np.testing.assert_array_equal(read[key], value, err_msg=key)


@pytest.mark.parametrize("name", FORMATS)
def test_arrays_cannot_be_written_to(name):
    with pytest.raises(ValueError, match="read-only"):
        torch_files.read(GOLDEN / name)["whole"][0, 0] = 1


def test_safetensors_are_read(tmp_path):
    wanted = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}
    safetensors.numpy.save_file(wanted, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(torch_files.read(tmp_path / "a.safetensors")["a"], wanted["a"])


def test_a_flipped_byte_of_a_storage_is_refused_in_the_zip_format(tmp_path):
    path = GOLDEN / FORMATS[0]
    position = path.read_bytes().find(np.arange(24, dtype="<f4").tobytes()) + 9
    assert position > 9
    with pytest.raises(ValueError, match="not a whole file of torch .*CRC"):
        torch_files.read(flipped(path, tmp_path, position))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path, name, share):
    content = (GOLDEN / name).read_bytes()
    path = tmp_path / "short.pth"
    path.write_bytes(content[: int(share * len(content))])
    told = "not a whole file of torch .* end is missing" if "zip" in name else "not a whole|refused"
    with pytest.raises(ValueError, match=f"short.pth is ({told})"):
        torch_files.read(path)


def test_bytes_behind_the_last_storage_are_refused(tmp_path):
    path = tmp_path / "long.pth"
    path.write_bytes((GOLDEN / FORMATS[1]).read_bytes() + b"x")
    with pytest.raises(ValueError, match="bytes behind its last storage"):
        torch_files.read(path)


def test_a_name_that_carries_a_checksum_is_held_to_it(tmp_path):
    path = GOLDEN / FORMATS[1]
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    good = tmp_path / f"weights-{digits}.pth"
    shutil.copy(path, good)
    assert "whole" in torch_files.read(good)
    bad = flipped(path, tmp_path, -3, name=good.name)  # in the values: the format cannot notice
    with pytest.raises(ValueError, match=f"its name promises {digits}"):
        torch_files.read(bad)
    dated = tmp_path / "weights-20250131.pth"
    shutil.copy(path, dated)
    assert "whole" in torch_files.read(dated)


def test_a_tree_that_calls_something_else_is_refused_before_the_call(tmp_path):
    path = rewritten(tmp_path, pickle.dumps({"a": Trap(tmp_path / "sprung")}, 2))
    with pytest.raises(ValueError, match="refused: it names posix.mkdir.*Save its state_dict"):
        torch_files.read(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "offset, sizes, strides", [(20, (5,), (1,)), (0, (2, 6), (24, 1)), (4, (3,), (-2,))]
)
def test_a_tensor_that_reaches_outside_of_its_storage_is_refused(offset, sizes, strides):
    storage = np.arange(24, dtype=np.float32)
    with pytest.raises(ValueError, match="reaches outside of its storage"):
        torch_files._rebuild(storage, offset, sizes, strides)


def test_a_file_that_is_not_there_and_a_foreign_zip_are_sentences(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file of weights .*none.pth"):
        torch_files.read(tmp_path / "none.pth")
    with zipfile.ZipFile(tmp_path / "foreign.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match="foreign.pth is refused: .* holds no NAME/data.pkl"):
        torch_files.read(tmp_path / "foreign.pth")
