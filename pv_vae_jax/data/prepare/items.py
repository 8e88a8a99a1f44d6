"""What is prepared: one item for each source file, and the split that it belongs to.

    f(item) = sha256(its key, or else the content of its file), 52 bits as a fraction     (1)
    split   = held_out where f >= 1 - share, else train

So all that is cut from a file is on one side, copies of a file too, and a folder can grow; items
that belong together (scenes of one film in several files) are given one key.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence

from pv_vae_jax.data import manifest

DIGITS = 13  # hexadecimal digits of a fraction of 52 bits


@dataclasses.dataclass(frozen=True)
class Item:
    """One source file.

    Attributes:
      path: absolute.
      name: what its records say as their source; the same wherever the folder is.
      label: the class, -1 for none.
      caption: a sentence, "" for none.
      key: of those that must be in one split; "" for the file's content.
    """

    path: str
    name: str
    label: int = -1
    caption: str = ""
    key: str = ""


def of(
    where: str | os.PathLike | Sequence[str | os.PathLike], labels: str = ""
) -> tuple[list[Item], tuple[str, ...]]:
    """The items of a folder, a list with or without labels and captions, or a file of videos.

    Args:
      where: see data/listing.py; a file below the folder, or the list's folder, is named relative
        to it.
      labels: "" for those of the list, or "folder".

    Returns:
      (items, names of the classes by number; none where labels are numbers or missing).

    Raises:
      FileNotFoundError: nothing is there.
      ValueError: an unreadable list.
    """
    root = None
    if isinstance(where, str | os.PathLike):
        path = pathlib.Path(where).expanduser().absolute()
        root = path if path.is_dir() else path.parent
    listed = manifest.items_of(where, labels=labels)
    found = [Item(i.path, _name(i.path, root), i.label, i.caption) for i in listed.items]
    return found, listed.classes


def _name(path: str, root: pathlib.Path | None) -> str:
    inside = root is not None and pathlib.Path(path).is_relative_to(root)
    return pathlib.Path(path).relative_to(root).as_posix() if inside else path


def content(path: str) -> str:
    """sha256 of a file, hexadecimal; OSError if it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fraction(text: str) -> float:
    """sha256 of a text as a fraction in [0, 1)."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:DIGITS], 16) / 16**DIGITS


def split_of(key: str, share: float) -> str:
    """Equation (1): "train" or "held_out", with a ``share`` of all keys held out."""
    return "held_out" if fraction(key) >= 1.0 - share else "train"
