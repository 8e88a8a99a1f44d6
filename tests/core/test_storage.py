import dataclasses
import hashlib
import itertools
import subprocess
import sys

import fsspec
import numpy as np
import PIL.Image
import pytest

from pv_vae_jax.core import arrays, storage, store_errors
from pv_vae_jax.data import images, manifest, sources, video_files
from pv_vae_jax.data.clips import Draw
from pv_vae_jax.data.video_probe import VIDEOS
from tests.data import films

BUCKETS = itertools.count()


@pytest.fixture
def bucket():
    """A folder of its own in the memory of this process, as a URL."""
    return f"memory://bucket{next(BUCKETS)}"


@pytest.fixture(params=["path", "URL"])
def place(request, tmp_path, bucket):
    return str(tmp_path) if request.param == "path" else bucket


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))


def test_paths_and_urls_read_what_was_written(place):
    file = f"{place}/deep/er/a.txt"
    assert not storage.exists(file)
    storage.write(file, "one\n")
    storage.add(file, "two\n")
    storage.add(f"{place}/deep/b.txt", "new\n")
    assert storage.read(file) == b"one\ntwo\n" and storage.stat(file)[0] == 8
    with storage.opened(file) as opened:
        opened.seek(4)
        assert opened.read() == b"two\n"
    with storage.here(file) as local:
        assert local.read_bytes() == b"one\ntwo\n" and local.name == "a.txt"
    assert storage.is_folder(f"{place}/deep") and not storage.is_folder(file)
    found = list(storage.files_under(f"{place}/deep"))
    assert [name.rsplit("/", 1)[1] for name in found] == ["b.txt", "a.txt"]
    assert all(storage.exists(name) for name in found)


def test_a_file_is_written_whole_or_not_at_all(place):
    file = f"{place}/a.txt"
    storage.write(file, "old")
    with pytest.raises(ZeroDivisionError), storage.whole(file) as partial:
        partial.write_text("half")
        _ = 1 / 0
    assert storage.read(file) == b"old" and len(storage.files_under(place)) == 1
    before = storage.stat(file)
    storage.write(file, "new")
    assert storage.read(file) == b"new" and storage.stat(file) != before
    assert len(storage.files_under(place)) == 1


@pytest.mark.parametrize("suffix", arrays.SUFFIXES)
def test_arrays_are_the_same_at_a_path_and_at_a_url(place, suffix, monkeypatch):
    monkeypatch.setattr(storage, "SCHEMES", (*storage.SCHEMES, "memory"))
    monkeypatch.setattr(storage, "path", lambda where: _Url(str(where)))
    content = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(3, np.float32)}
    arrays.write(f"{place}/x{suffix}", content, "text")
    read = arrays.read(f"{place}/x{suffix}")
    assert list(read) == list(content) and arrays.read_text(f"{place}/x{suffix}") == "text"
    for name, value in content.items():
        np.testing.assert_array_equal(read[name], value)
    with pytest.raises(FileNotFoundError, match="there is no model file .*y"):
        arrays.read(f"{place}/y{suffix}")


class _Url(str):
    """As much of epath.Path as arrays needs: it does not know memory://."""

    @property
    def suffix(self):
        return self[self.rindex(".") :]


def test_clips_and_pictures_are_read_from_a_url_as_from_a_path(tmp_path, bucket):
    video_files.write(tmp_path / "here" / "walk" / "a.mp4", [films.numbered(40)])
    video_files.write(tmp_path / "here" / "run" / "b.mp4", [films.numbered(25)])
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "here" / "walk" / "c.png")
    fsspec.filesystem("memory").put(f"{tmp_path}/here/", f"{bucket}/", recursive=True)
    for kind, frames in ((sources.VideoFiles, 9), (images.ImageFiles, 1)):
        near, far = (kind(where, labels="folder") for where in (tmp_path / "here", bucket))
        assert len(near) == len(far) and near.classes == far.classes
        assert far.clip(0, Draw(), frames, 16, 16).name.startswith("memory://")
        for j in range(len(near)):
            one, other = (s.clip(j, Draw(start=0.3), frames, 16, 16) for s in (near, far))
            np.testing.assert_array_equal(one.video, other.video)
            assert one.label == other.label


def test_files_at_a_url_are_probed_once_and_again_when_they_change(bucket):
    for name, frames in (("a", 5), ("b", 6)):
        video_files.write(f"{bucket}/{name}.mp4", [films.numbered(frames)])
    probed = []
    kind = dataclasses.replace(
        VIDEOS, probe=lambda path: probed.append(path[-5:]) or VIDEOS.probe(path)
    )
    assert [entry.frames for entry in manifest.of(bucket, kind=kind)] == [5, 6]
    assert [entry.frames for entry in manifest.of(bucket, kind=kind)] == [5, 6]
    video_files.write(f"{bucket}/b.mp4", [films.numbered(7)])
    assert [entry.frames for entry in manifest.of(bucket, kind=kind)] == [5, 7]
    assert probed == ["a.mp4", "b.mp4", "b.mp4"]


def test_a_list_at_a_url_names_files_relative_to_itself(tmp_path, bucket):
    video_files.write(f"{bucket}/films/a.mp4", [films.numbered(12)])
    storage.write(f"{bucket}/list.csv", "path,caption\nfilms/a.mp4,at home\n")
    clip = sources.VideoFiles(f"{bucket}/list.csv").clip(0, Draw(), 9, 16, 16)
    assert clip.name == f"{bucket}/films/a.mp4" and clip.caption == "at home"
    (tmp_path / "list.txt").write_text(f"{bucket}/films/a.mp4\n{bucket}/films/none.mp4\n")
    assert [e.reason for e in manifest.of(tmp_path / "list.txt")] == ["", "no such file"]


def test_the_sha256_of_a_file_is_that_of_its_bytes_at_a_url_too(tmp_path, bucket):
    content = np.random.default_rng(0).bytes(3 * 2**20 + 1)
    for where in (tmp_path / "a", f"{bucket}/a"):
        storage.write(where, content)
        assert storage.sha256(where) == hashlib.sha256(content).hexdigest()


def test_a_url_that_is_not_there_is_a_sentence(bucket):
    with pytest.raises(FileNotFoundError, match=f"there is no {bucket}/a; .*the bucket bucket"):
        storage.read(f"{bucket}/a")
    with pytest.raises(FileNotFoundError, match="no video folder, list or file at memory://none"):
        sources.VideoFiles("memory://none/films")
    with pytest.raises(ValueError, match="ftp://x/run is neither a path nor a URL of gs://, s3://"):
        storage.path("ftp://x/run")


def test_a_missing_package_and_a_refusal_say_what_to_do(monkeypatch):
    class Refused(Exception):
        code = 403

    Refused.__module__ = "gcsfs.retry"
    for error, told in (
        (ImportError("no gcsfs"), "gs://bucket/a needs the package gcsfs: pip install gcsfs"),
        (Refused("Caller does not have access"), "gs://bucket/a may not be used .*gcloud auth app"),
    ):

        def fail(url, error=error):
            raise error

        monkeypatch.setattr(storage, "_system", fail)
        with pytest.raises(OSError, match=told):
            storage.read("gs://bucket/a")
    with pytest.raises(ZeroDivisionError), store_errors.explained("gs://bucket/a"):
        _ = 1 / 0  # what is not the store's is not explained away


def test_paths_of_this_machine_import_nothing_for_urls(tmp_path):
    code = (
        "import sys; from pv_vae_jax.core import storage, cache\n"
        "from pv_vae_jax.data import images, sources, tfds_source\n"
        "storage.write(sys.argv[1] + '/a', 'x'); storage.files_under(sys.argv[1])\n"
        "cache.folder('x'); found = {'gcsfs', 's3fs', 'aiohttp', 'google.cloud.storage', "
        "'tensorflow_datasets'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
