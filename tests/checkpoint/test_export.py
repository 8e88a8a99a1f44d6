import io
import json
import subprocess
import sys
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.checkpoint import export
from pv_vae_jax.core import trees
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry

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
def path(vae, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "made" / "tiny.npz"
    export.save(path, vae, {"frames": 9, "stage": "decoder"})
    return path


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


def test_numpy_alone_reads_parameters_statistics_and_what_the_model_is(vae, path, tmp_path):
    metadata = json.loads(run(PLAIN_NUMPY, path, tmp_path / "arrays.npz"))
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


def test_a_loaded_model_is_saved_as_the_same_file(path, tmp_path):
    loaded = export.load(path)
    export.save(tmp_path / "again.npz", loaded, export.read_metadata(path)["training"])
    with np.load(path) as first, np.load(tmp_path / "again.npz") as again:
        assert first.files == again.files
        for name in first.files:
            np.testing.assert_array_equal(first[name], again[name])
    assert loaded.config["fields"]["widths"] == (8, 8, 8)


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


@pytest.mark.parametrize("part", [0.0, 0.3, 0.999])
def test_a_half_written_file_is_refused(path, tmp_path, part):
    data = path.read_bytes()
    half = tmp_path / "half.npz"
    half.write_bytes(data[: int(part * len(data))])
    with pytest.raises(ValueError, match=r"half\.npz is not a whole \.npz file .*export it again"):
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


def test_a_damaged_byte_never_gives_another_model(path, tmp_path):
    good = export._read(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    anywhere, directory = rng.integers(0, len(data), 100), -rng.integers(1, 6000, 200)
    for place in [*anywhere, *directory]:
        broken = bytearray(data)
        broken[place] ^= 255
        (tmp_path / "broken.npz").write_bytes(broken)
        try:
            arrays = export._read(tmp_path / "broken.npz")
        except ValueError:
            continue
        for name in good.keys() & arrays.keys():
            np.testing.assert_array_equal(arrays[name], good[name])


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
    with pytest.raises(ValueError, match="latents/mean is not a plain array"):
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
    with pytest.raises(ValueError, match="an export is a .npz file"):
        export.save(tmp_path / "model.ckpt", vae)
    with pytest.raises(ValueError, match="is not JSON"):
        export.save(tmp_path / "model.npz", vae, {"loss": jnp.ones(1)})
    assert not list(tmp_path.iterdir())
