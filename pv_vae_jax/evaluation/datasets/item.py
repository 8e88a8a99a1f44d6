"""An item is one source video of a data set, or a cut of one; and the folder that holds the videos.

Its key is made of what the official list says, never of where the file lies, so that a stored list
of keys names the same videos on any machine.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable

from pv_vae_jax.core import storage
from pv_vae_jax.data.video_probe import VIDEOS


@dataclasses.dataclass(frozen=True)
class Item:
    """One video, or a span of it.

    Attributes:
      key: its name in its data set.
      path: the file or its URL; "" if it is missing.  Clips that are no file of their own have
        rendered:// (datasets/rendered.py) or tfds: (datasets/ucf101_tfds.py).
      start: where the item starts, in seconds after the first frame of the file.
      end: where its last frame is, in the same seconds; None for the end of the file.
      label: number of its class from 0, or -1.
      reason: what was looked for, if it is missing.
      source: what it was cut from.  Items of one source are not independent.
    """

    key: str
    path: str
    start: float = 0.0
    end: float | None = None
    label: int = -1
    reason: str = ""
    source: str = ""


def scan(name: str, folder: str | os.PathLike | None, wanted: str) -> list[str]:
    """All files of a folder and those below it, sorted; links are followed.

    Args:
      name: of the data set.
      folder: a path or a URL.
      wanted: sentences that say what to get and where to put it.

    Raises:
      ValueError: no folder is given.
      FileNotFoundError: there is no such folder.
    """
    if not folder:
        raise ValueError(f"{name} needs the folder that holds it. {wanted}")
    place = storage.absolute(os.path.expanduser(folder))
    if not storage.is_folder(place):
        raise FileNotFoundError(f"there is no folder {place}. {wanted}")
    return list(storage.files_under(place))


def stem(file: str) -> str:
    """``a`` of ``/films/a.mp4``."""
    return pathlib.PurePosixPath(file).stem


def parent(file: str) -> str:
    """``films`` of ``/films/a.mp4``."""
    return pathlib.PurePosixPath(file).parent.name


def videos(files: Iterable[str]) -> list[str]:
    """Those with the extension of a video."""
    return [f for f in files if pathlib.PurePosixPath(f).suffix.lower() in VIDEOS.extensions]


def named(files: Iterable[str], name: str) -> str | None:
    """The file of this name that lies least deep, or None."""
    found = [file for file in files if file.rsplit("/", 1)[-1] == name]
    return min(found, key=lambda file: (file.count("/"), file), default=None)


def text(file: str) -> str:
    """A text file in UTF-8.

    Raises:
      ValueError: it is none.
    """
    try:
        return storage.read(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not a text in UTF-8: {error}.") from error


def absent(name: str) -> str:
    """The reason of an item whose file is not there."""
    return f"no {name}.mp4 (or .mkv, .webm, .avi, ...) in the folder or below it"
