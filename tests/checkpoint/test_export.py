import io
import json
import subprocess
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors

from pv_vae_jax.checkpoint import export
from pv_vae_jax.core import arrays, trees
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry
from tests import tiny

FIELDS = {
    "channels": 4,
    "widths": (8, 8, 8),
    "encoder_blocks": (0, 0, 0),
    "decoder_blocks": (0, 0, 0),
}

PLAIN_NUMPY = """
import json, sys, numpy as np
with np.load(sys.argv[1], allow_pickle=False) as file:
    arrays = {name: file[name] for name in file.files}
assert "jax" not in sys.modules
metadata = json.loads(arrays.pop("metadata").tobytes())
np.savez(sys.argv[2], **arrays)
print(json.dumps(metadata))
"""

SAFETENSORS_ALONE = """
import sys, numpy as np, safetensors, safetensors.numpy
arrays = safetensors.numpy.load_file(sys.argv[1])
with safetensors.safe_open(sys.argv[1], framework="numpy") as file:
    metadata = file.metadata()["metadata"]
assert "jax" not in sys.modules
np.savez(sys.argv[2], **arrays)
print(metadata)
"""

NEW_PROCESS = """
import sys, numpy as np
from pv_vae_jax.checkpoint import export
vae = export.load(sys.argv[1])
video = np.load(sys.argv[2])
z = vae.encode(video)
np.savez(sys.argv[3], z=z, again=vae.decode(z), future=vae.predict(video[:, :1], 5))
"""


@pytest.fixture(scope="module")
def vae():
    fresh = registry.create("pv_vae_tiny", seed=3, **FIELDS)
    mean, std = np.arange(4.0) / 3, 1 + np.arange(4.0) / 7
    return VideoVAE(fresh.module, fresh.params, mean, std, fresh.config)


@pytest.fixture(scope="module")
def paths(vae, tmp_path_factory):
    """The same export in both formats, by suffix."""
    folder = tmp_path_factory.mktemp("export") / "made"
    paths = {suffix: folder / f"tiny{suffix}" for suffix in export.SUFFIXES}
    for path in paths.values():
        export.save(path, vae, {"frames": 9, "stage": "decoder"})
    return paths


@pytest.fixture(scope="module")
def path(paths):
    return paths[".npz"]


both = pytest.mark.parametrize("suffix", export.SUFFIXES)


@pytest.fixture
def changed(path, tmp_path):
    """Writes a copy of the export with other arrays or metadata."""

    def write(arrays=None, metadata=None):
        with np.load(path) as file:
            content = dict(file) | (arrays or {})
        if metadata is not None:
            old = json.loads(content["metadata"].tobytes())
            content["metadata"] = np.frombuffer(json.dumps(old | metadata).encode(), np.uint8)
        content = {name: value for name, value in content.items() if value is not None}
        np.savez(tmp_path / "changed.npz", **content)
        return tmp_path / "changed.npz"

    return write


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("suffix", "code"), [(".npz", PLAIN_NUMPY), (".safetensors", SAFETENSORS_ALONE)]
)
def test_one_library_alone_reads_parameters_statistics_and_what_the_model_is(
    vae, paths, tmp_path, suffix, code
):
    metadata = json.loads(run(code, paths[suffix], tmp_path / "arrays.npz"))
    with np.load(tmp_path / "arrays.npz") as arrays:
        expected = {f"params/{name}": leaf for name, leaf in trees.flatten(vae.params).items()}
        expected |= {"latents/mean": vae.mean, "latents/std": vae.std}
        assert set(arrays.files) == set(expected)
        for name, leaf in expected.items():
            np.testing.assert_array_equal(arrays[name], leaf)
    assert metadata["format"] == 1 and metadata["package_version"]
    assert metadata["model"]["name"] == "pv_vae_tiny"
    assert metadata["model"]["fields"]["widths"] == [8, 8, 8]
    assert metadata["spec"]["temporal"] == 4 and metadata["spec"]["channels"] == 4
    assert metadata["parameters"] == vae.parameters
    assert metadata["training"] == {"frames": 9, "stage": "decoder"}


def test_a_new_process_gives_the_same_bits(vae, path, tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (1, 5, 16, 16, 3), np.uint8)
    np.save(tmp_path / "video.npy", video)
    run(NEW_PROCESS, path, tmp_path / "video.npy", tmp_path / "out.npz")
    z = vae.encode(video)
    with np.load(tmp_path / "out.npz") as out:
        np.testing.assert_array_equal(out["z"], z)
        np.testing.assert_array_equal(out["again"], vae.decode(z))
        np.testing.assert_array_equal(out["future"], vae.predict(video[:, :1], 5))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("pv_vae_transformer_tiny", tiny.TRANSFORMER),
        ("pv_vae_hybrid_tiny", tiny.HYBRID | {"decoder_causal": False}),
    ],
)
def test_other_architectures_come_back_by_their_name_and_fields(tmp_path, name, fields):
    vae = registry.create(name, seed=3, **fields)
    export.save(tmp_path / "model.npz", vae)
    again = export.load(tmp_path / "model.npz")
    assert again.module == vae.module and again.spec == vae.spec
    assert again.config == vae.config and again.config["name"] == name
    jax.tree.map(np.testing.assert_array_equal, again.params, vae.params)


@both
def test_a_loaded_model_is_saved_as_the_same_file(paths, tmp_path, suffix):
    loaded = export.load(paths[suffix])
    again = tmp_path / f"again{suffix}"
    export.save(again, loaded, export.read_metadata(paths[suffix])["training"])
    first, again = arrays.read(paths[suffix]), arrays.read(again)
    assert list(first) == list(again)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert loaded.config["fields"]["widths"] == (8, 8, 8)


def test_both_formats_hold_the_same_model(paths):
    npz, safe = (export.load(paths[suffix]) for suffix in export.SUFFIXES)
    assert trees.table(npz.params) == trees.table(safe.params)
    jax.tree.map(np.testing.assert_array_equal, npz.params, safe.params)
    np.testing.assert_array_equal(npz.mean, safe.mean)
    np.testing.assert_array_equal(npz.std, safe.std)
    metadata = [export.read_metadata(path) for path in paths.values()]
    assert npz.config == safe.config and metadata[0] == metadata[1]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(vae, path, tmp_path, monkeypatch):
    target = tmp_path / "tiny.npz"
    target.write_bytes(b"old")

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        export.save(target, vae)
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


@both
@pytest.mark.parametrize("part", [0.0, 0.3, 0.999])
def test_a_half_written_file_is_refused(paths, tmp_path, suffix, part):
    data = paths[suffix].read_bytes()
    half = tmp_path / f"half{suffix}"
    half.write_bytes(data[: int(part * len(data))])
    message = rf"half\{suffix} is not a whole \{suffix} file .*export it again"
    with pytest.raises(ValueError, match=message):
        export.load(half)


def test_a_damaged_array_is_refused_by_name(path, tmp_path):
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("params/encoder/conv_in/kernel.npy")
    data[member.header_offset + 400] ^= 1
    broken = tmp_path / "broken.npz"
    broken.write_bytes(data)
    with pytest.raises(ValueError, match="damaged at params/encoder/conv_in/kernel"):
        export.load(broken)


def test_a_damaged_array_that_is_compressed_is_refused_by_name(tmp_path):
    packed = tmp_path / "packed.npz"
    np.savez_compressed(packed, kernel=np.arange(4096))
    data = bytearray(packed.read_bytes())
    data[200:300] = bytes(100)
    packed.write_bytes(data)
    with pytest.raises(ValueError, match="packed.npz is not a whole .npz file .damaged at kernel"):
        arrays.read(packed)


def test_a_type_that_numpy_has_not_is_told(tmp_path):
    header = b'{"kernel":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}'
    file = tmp_path / "small.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ValueError, match="small.safetensors holds a type that NumPy has not"):
        arrays.read(file)


def test_a_damaged_array_of_safetensors_is_refused_by_name(paths, tmp_path):
    path, broken = paths[".safetensors"], tmp_path / "broken.safetensors"
    data = bytearray(path.read_bytes())
    value = arrays.read(path)["params/encoder/conv_in/kernel"]
    data[data.index(value.tobytes()) + 400] ^= 1
    broken.write_bytes(data)
    with safetensors.safe_open(broken, framework="numpy") as file:
        file.get_tensor("params/encoder/conv_in/kernel")  # the format itself does not notice
    with pytest.raises(ValueError, match="damaged at params/encoder/conv_in/kernel"):
        export.load(broken)


def test_an_array_of_another_shape_or_a_changed_text_is_refused(paths, tmp_path):
    data, broken = paths[".safetensors"].read_bytes(), tmp_path / "broken.safetensors"
    kernel = arrays.read(paths[".safetensors"])["params/encoder/conv_in/kernel"]
    taps, channels, features = "3,3,3", *kernel.shape[3:]
    for old, new, where in (
        (
            f"{taps},{channels},{features}",
            f"{taps},{features},{channels}",
            "params/encoder/conv_in",
        ),
        ("pv_vae_tiny", "pv_vae_tidy", "metadata"),
    ):
        assert old.encode() in data
        broken.write_bytes(data.replace(old.encode(), new.encode()))
        with pytest.raises(ValueError, match=f"damaged at {where}"):
            export.load(broken)


@both
def test_a_damaged_byte_never_gives_another_model(paths, tmp_path, suffix):
    good, text = arrays.read(paths[suffix]), arrays.read_text(paths[suffix])
    data = paths[suffix].read_bytes()
    rng = np.random.default_rng(0)
    header = rng.integers(1, 6000, 200)  # an .npz has its directory at its end
    anywhere = rng.integers(0, len(data), 100)
    broken, refused = tmp_path / f"broken{suffix}", 0
    for place in [*anywhere, *(-header if suffix == ".npz" else header)]:
        changed = bytearray(data)
        changed[place] ^= 255 if suffix == ".npz" else 1 << rng.integers(8)
        broken.write_bytes(changed)
        try:
            found, said = arrays.read(broken), arrays.read_text(broken)
        except ValueError:
            refused += 1
            continue
        assert said in (text, None)
        for name in good.keys() & found.keys():
            np.testing.assert_array_equal(found[name], good[name])
    assert refused > 150


def test_foreign_files_are_refused(tmp_path, changed):
    np.savez(tmp_path / "foreign.npz", weights=np.ones(3))
    with pytest.raises(ValueError, match="foreign.npz is no export of pv_vae_jax"):
        export.load(tmp_path / "foreign.npz")
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    (tmp_path / "single.npz").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="single.npz is not a whole .npz file"):
        export.load(tmp_path / "single.npz")
    with pytest.raises(ValueError, match="its metadata is not JSON"):
        export.load(changed({"metadata": np.frombuffer(b"\xff{", np.uint8)}))
    with pytest.raises(FileNotFoundError, match="there is no model file"):
        export.load(tmp_path / "nothing.npz")


def test_pickled_objects_are_never_opened(changed):
    path = changed({"latents/mean": np.array([{"a": 1}, None], dtype=object)})
    with pytest.raises(ValueError, match="latents/mean is no plain array"):
        export.load(path)


def test_all_wrong_arrays_are_named_in_one_message(vae, changed):
    names = ["params/" + name for name in trees.flatten(vae.params)]
    path = changed(
        {
            names[0]: None,
            names[1]: np.zeros((2, 3), np.float32),
            "latents/std": np.ones(4),
            "params/encoder/extra": np.ones(2, np.float32),
        }
    )
    with pytest.raises(ValueError) as caught:
        export.load(path)
    message = str(caught.value)
    assert f"1 missing ({names[0]})" in message
    assert "1 surplus (params/encoder/extra)" in message
    assert "2 of another form (latents/std is float64[4], not float32[4]; " in message
    assert f"{names[1]} is float32[2, 3], not float32[" in message


def test_what_this_version_cannot_build_is_refused(changed):
    with pytest.raises(ValueError, match="has format 2, this version reads up to 1: install"):
        export.load(changed(metadata={"format": 2}))
    with pytest.raises(ValueError, match=r"cannot be rebuilt by this version: .*pv_vae_tiny"):
        export.load(changed(metadata={"model": {"name": "other", "fields": {}}}))
    with pytest.raises(ValueError, match="has no field depth"):
        export.load(changed(metadata={"model": {"name": "pv_vae_tiny", "fields": {"depth": 1}}}))


def test_a_name_or_metadata_that_cannot_be_read_again_is_refused(vae, tmp_path):
    with pytest.raises(ValueError, match="an export is a .npz or .safetensors file"):
        export.save(tmp_path / "model.ckpt", vae)
    with pytest.raises(ValueError, match="is not JSON"):
        export.save(tmp_path / "model.npz", vae, {"loss": jnp.ones(1)})
    assert not list(tmp_path.iterdir())


def test_float16_halves_the_file_and_is_float32_in_memory(vae, tmp_path):
    whole, half = tmp_path / "whole.npz", tmp_path / "half.npz"
    export.save(whole, vae)
    export.save(half, vae, dtype="float16")
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    found = trees.flatten(export.load(half).params)
    for name, leaf in trees.flatten(vae.params).items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], np.asarray(leaf, np.float16))


def test_what_float16_cannot_hold_is_a_sentence(vae, tmp_path):
    large = VideoVAE(vae.module, vae.params, vae.mean, vae.std * 1e6, vae.config)
    with pytest.raises(ValueError, match="latents/std has numbers too large for float16"):
        export.save(tmp_path / "large.npz", large, dtype="float16")
    with pytest.raises(ValueError, match="the dtypes float32, float16; got 'int8'"):
        export.save(tmp_path / "other.npz", vae, dtype="int8")


def test_fields_that_change_no_parameter_may_be_others_and_unknown_ones_are_told(paths):
    path = paths[".npz"]
    half = export.load(path, dtype="bfloat16")
    assert half.config["fields"]["dtype"] == "bfloat16" and half.module != export.load(path).module
    with pytest.raises(ValueError, match="nonsense"):
        export.load(path, nonsense=3)
    with pytest.raises(ValueError):
        export.load(path, widths=(4, 4, 4))
