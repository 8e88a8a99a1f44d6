import pathlib
import struct
import zipfile

import numpy as np
import pytest

from pv_vae_jax.pretrained import pickles, torch_files, torchscript
from tests.golden import judges

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "torch_script.pt"


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def archive(folder, attributes, name="hostile.pt"):
    """A TorchScript archive of one module; ``attributes`` are pickle opcodes: name, value, ..."""
    tree = b"\x80\x02c__torch__\nNet\n)\x81}(" + attributes + b"ub."
    path = folder / name
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("hostile/data.pkl", tree)
        file.writestr("hostile/code/__torch__.py", "raise SystemExit\n")
    return path


def test_the_tensors_of_a_scripted_module_are_read_by_the_names_of_its_state_dict():
    read, wanted = torch_files.read(GOLDEN), judges.scripted_state()
    assert set(read) == set(wanted)
    for name, value in wanted.items():
        assert read[name].dtype == value.dtype, name
        np.testing.assert_array_equal(read[name], value, err_msg=name)


def test_a_call_inside_of_a_module_is_refused_and_not_made(tmp_path):
    trace = tmp_path / "sprung"
    call = text("trap") + b"cposix\nmkdir\n(" + text(str(trace)) + b"tR"
    with pytest.raises(ValueError, match="refused: it names posix.mkdir.*Save its state_dict"):
        torch_files.read(archive(tmp_path, call))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["builtins.eval", "torch.jit._pickle.build_tensor_from_id"])
def test_only_what_torchscript_writes_may_be_named(tmp_path, name):
    module, function = name.rsplit(".", 1)
    call = text("trap") + f"c{module}\n{function}\n(".encode() + text("1") + b"tR"
    with pytest.raises(ValueError, match=f"refused: it names {name}"):
        torch_files.read(archive(tmp_path, call))


def test_a_class_of_the_archive_does_nothing_when_it_is_called(tmp_path):
    call = text("trap") + b"c__torch__.os\nsystem\n(" + text("touch sprung") + b"tR"
    with pytest.raises(ValueError, match="not a whole file of torch"):  # it takes no arguments
        torch_files.read(archive(tmp_path, call))
    module = torch_files.read(archive(tmp_path, text("a") + b"c__torch__.os\nsystem\n)\x81"))
    assert module == {}


def test_what_a_file_sets_on_its_classes_ends_with_it(tmp_path):
    on_class = text("a") + b"c__torch__\nNet\nN}(" + text("walk") + b"K\x01u\x86b"
    torch_files.read(archive(tmp_path, on_class))
    assert not hasattr(pickles.Inert, "walk")


def test_a_module_that_holds_itself_is_named_once():
    root, child = pickles.Inert(), pickles.Inert()
    child.weight, child.parent, root.one, root.two = np.ones(2), root, child, child
    assert list(torchscript.tensors(root)) == ["one.weight"]


def test_npz_is_read_and_holds_no_pickles(tmp_path):
    np.savez(tmp_path / "a.npz", **{"conv1a/W": np.arange(3.0)})
    np.testing.assert_array_equal(torch_files.read(tmp_path / "a.npz")["conv1a/W"], [0, 1, 2])
    np.savez(tmp_path / "b.npz", trap=np.array([{}], object))
    with pytest.raises(ValueError, match="b.npz is foreign or damaged: trap is no plain array"):
        torch_files.read(tmp_path / "b.npz")
