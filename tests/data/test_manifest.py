import dataclasses
import errno
import json
import os
import pathlib

import av
import PIL.Image
import pytest

from pv_vae_jax.core import storage
from pv_vae_jax.data import images, manifest, video_files
from pv_vae_jax.data.video_probe import VIDEOS
from tests.data import films


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_bad_files_are_named_with_their_reason(tmp_path):
    bad, good = films.mixed_folder(tmp_path / "films")
    entries = {pathlib.Path(e.path).name: e for e in manifest.of(tmp_path / "films")}
    assert set(entries) == set(bad) | good
    for name, reason in bad.items():
        assert name == "short.mp4" or reason in entries[name].reason, entries[name]
    assert {name for name in good if entries[name].reason} == set()
    assert (entries["odd.mkv"].height, entries["odd.mkv"].width) == (45, 63)
    assert entries["variable.mp4"].step == 0 and len(entries["variable.mp4"].times) == 30
    assert entries["good.mp4"].rate == 25 and abs(entries["good.mp4"].duration - 1.6) < 1e-6


def test_files_are_probed_once_and_again_when_they_change(tmp_path):
    video_files.write(tmp_path / "films" / "a.mp4", [films.numbered(5)])
    video_files.write(tmp_path / "films" / "b.mp4", [films.numbered(5)])
    first, probed = manifest.of(tmp_path / "films"), []
    kind = dataclasses.replace(VIDEOS, probe=lambda path: probed.append(path) or VIDEOS.probe(path))
    assert manifest.of(tmp_path / "films", kind=kind) == first and probed == []
    video_files.write(tmp_path / "films" / "b.mp4", [films.numbered(6)])
    assert [entry.frames for entry in manifest.of(tmp_path / "films", kind=kind)] == [5, 6]
    assert [os.path.basename(path) for path in probed] == ["b.mp4"]


def test_a_manifest_that_cannot_be_read_or_kept_does_no_harm(tmp_path, cache, caplog):
    video_files.write(tmp_path / "films" / "a.mp4", [films.numbered(5)])
    first = manifest.of(tmp_path / "films")
    (kept,) = (cache / "manifests").iterdir()
    assert json.loads(kept.read_text())["version"] == manifest.VERSION
    kept.write_text(kept.read_text()[:30])
    assert manifest.of(tmp_path / "films") == first
    assert json.loads(kept.read_text())["version"] == manifest.VERSION
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("a file where the folder should be")
    assert manifest.of(tmp_path / "films") == first
    assert "files are probed again" in caplog.text


def test_a_list_names_files_relative_to_itself(tmp_path):
    video_files.write(tmp_path / "films" / "a.mp4", [films.numbered(5)])
    (tmp_path / "list.txt").write_text("# two films\nfilms/a.mp4\n\nfilms/none.mp4\n")
    entries = manifest.of(tmp_path / "list.txt")
    assert [e.reason for e in entries] == ["", "no such file"]
    assert [e.path for e in manifest.of(tmp_path / "films" / "a.mp4")] == [entries[0].path]
    assert manifest.of([tmp_path / "films" / "a.mp4"]) == entries[:1]


def test_what_cannot_be_listed_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="no video folder, list or file at .*none; check"):
        manifest.of(tmp_path / "none")
    (tmp_path / "films").mkdir()
    with pytest.raises(
        FileNotFoundError, match="films holds no video; extensions looked for: .avi"
    ):
        manifest.of(tmp_path / "films")
    (tmp_path / "list.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match="list.txt names no file; write one path a line"):
        manifest.of(tmp_path / "list.txt")
    (tmp_path / "list.bin").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match="neither a video .* nor a readable text file"):
        manifest.of(tmp_path / "list.bin")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_what_could_not_be_read_once_is_probed_at_the_next_start(tmp_path, monkeypatch, number):
    video_files.write(tmp_path / "a.mp4", [films.numbered(10)])
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "b.png")

    def busy(*_, **__):
        av.error.err_check(-number)  # as PyAV raises it
        raise AssertionError

    def denied(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(video_files.av, "open", busy)
        patch.setattr(images.storage, "opened", denied)
        for kind in (VIDEOS, images.PICTURES):
            assert manifest.of(tmp_path, kind=kind)[0].reason == os.strerror(number).lower()
    for kind, frames in ((VIDEOS, 10), (images.PICTURES, 1)):
        (entry,) = manifest.of(tmp_path, kind=kind)
        assert (entry.reason, entry.frames) == ("", frames)


def test_a_folder_that_grows_is_probed_where_it_is_new(tmp_path):
    folder, probed = tmp_path / "films", []
    kind = dataclasses.replace(VIDEOS, probe=lambda path: probed.append(path) or VIDEOS.probe(path))
    for name in "ab":
        video_files.write(folder / f"{name}.mp4", [films.numbered(5)])
    manifest.of(folder, kind=kind)
    video_files.write(folder / "c.mp4", [films.numbered(5)])
    manifest.of(folder, kind=kind)
    manifest.of([folder / "a.mp4", folder / "c.mp4"], kind=kind)  # a part of it
    manifest.of(folder, kind=kind)
    assert [os.path.basename(path) for path in sorted(probed)] == ["a.mp4", "b.mp4", "c.mp4"]


def test_an_interrupted_probing_keeps_what_it_found(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "KEPT_EVERY", -1)
    monkeypatch.setattr(manifest, "THREADS", 1)
    for name in "ab":
        video_files.write(tmp_path / "films" / f"{name}.mp4", [films.numbered(5)])

    def probe(path):
        if path.endswith("b.mp4"):
            raise KeyboardInterrupt
        return VIDEOS.probe(path)

    with pytest.raises(KeyboardInterrupt):
        manifest.of(tmp_path / "films", kind=dataclasses.replace(VIDEOS, probe=probe))
    probed = []
    kind = dataclasses.replace(VIDEOS, probe=lambda path: probed.append(path) or VIDEOS.probe(path))
    manifest.of(tmp_path / "films", kind=kind)
    assert [os.path.basename(path) for path in probed] == ["b.mp4"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_folder_that_cannot_be_listed_is_named_or_ends_the_search(
    tmp_path, monkeypatch, caplog, number
):
    video_files.write(tmp_path / "a" / "a.mp4", [films.numbered(5)])
    (tmp_path / "b").mkdir()
    scandir = os.scandir

    def broken(path):
        if str(path).endswith("/b"):
            raise OSError(number, os.strerror(number), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", broken)
    if number == errno.EACCES:
        assert list(storage.files_under(tmp_path)) == [str(tmp_path / "a" / "a.mp4")]
        assert f"{tmp_path / 'b'} is not used: permission denied" in caplog.text
    else:
        with pytest.raises(OSError, match="Input/output error"):
            storage.files_under(tmp_path)


def test_files_behind_links_and_with_names_of_any_bytes_are_found(tmp_path):
    video_files.write(tmp_path / "disk" / "swim" / "a.mp4", [films.numbered(5)])
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "swim").symlink_to(tmp_path / "disk" / "swim")
    (tmp_path / "disk" / "swim" / "loop").symlink_to(tmp_path / "root")
    named = tmp_path / "root" / os.fsdecode(b"caf\xe9.mp4")
    named.write_bytes((tmp_path / "disk" / "swim" / "a.mp4").read_bytes())
    found = manifest.of(tmp_path / "root")
    assert sorted(entry.frames for entry in found) == [5, 5]
