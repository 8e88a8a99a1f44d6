"""What is prepared: an item for each film, in a file or in a TFDS set, and its split.

    f(item) = sha256(its key, or else its content), 52 bits as a fraction                 (1)
    split   = held_out where f >= 1 - share, else train; or what the item says; or by time

So all that is cut from a file is on one side, copies of a file too, and a folder can grow; items
that belong together (scenes of one film in several files) have one key: their group in a list.
"""

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence

from pv_vae_jax.core import storage
from pv_vae_jax.data import listing, spans, tfds_source
from pv_vae_jax.data.video_probe import VIDEOS


@dataclasses.dataclass(frozen=True)
class Example:
    """Where an example of a TFDS set is (data/tfds_source.py).

    Attributes:
      split: of the set.
      number: of the example.
      features: (role, feature) where the guess would be wrong.
      rate: frames per second, of a set that holds frames.
    """

    split: str
    number: int
    features: tuple[tuple[str, str], ...] = ()
    rate: float = 25.0


@dataclasses.dataclass(frozen=True)
class Item:
    """One source.

    Attributes:
      path: absolute, or a URL; of an example the name of its set.
      name: what its records say as their source; the same wherever the folder is.
      label: the class, -1 for none; an example says its own, as its caption.
      caption: a sentence, "" for none.
      key: of those that must be in one split; "" for the content.
      split: of the shards, "" for equation (1).
      example: where it is in a TFDS set; None for a file.
      stamp: bytes, and a number that changes with them; (0, 0) if they are not to be had.
    """

    path: str
    name: str
    label: int = -1
    caption: str = ""
    key: str = ""
    split: str = ""
    example: Example | None = None
    stamp: tuple[int, int] = (0, 0)


def of(
    where: str | os.PathLike | Sequence[str | os.PathLike], labels: str = ""
) -> tuple[list[Item], tuple[str, ...]]:
    """The items of a folder, a list with or without labels and captions, or a file of videos.

    Args:
      where: see data/listing.py; a file below the folder, or the list's folder, is named relative
        to it.
      labels: "" for those of the list, "folder" or "file" (data/listing.py).

    Returns:
      (items, names of the classes by number; none where labels are numbers or missing).

    Raises:
      FileNotFoundError: nothing is there.
      ValueError: an unreadable list.
    """
    root = ""
    if isinstance(where, str | os.PathLike):
        root = storage.absolute(os.path.expanduser(where)).rstrip("/")
        root = root if storage.is_folder(root) else root.rpartition("/")[0]
    listed = listing.of(where, VIDEOS, labels)
    found = [
        Item(
            i.path,
            i.path.removeprefix(f"{root}/") if root else i.path,
            i.label,
            i.caption,
            i.group,
            stamp=i.stat or _stamp(i.path),
        )
        for i in listed.items
    ]
    return found, listed.classes


def _stamp(path: str) -> tuple[int, int]:
    try:
        return storage.stat(path)
    except OSError:
        return 0, 0


def of_tfds(
    name: str,
    split: str = "train",
    held_out: str = "",
    features: Mapping[str, str] | None = None,
    rate: float = 25.0,
) -> tuple[list[Item], tuple[str, ...]]:
    """The items of a TFDS set, an example each; no example is read.

    Args:
      name: see ``tfds_source.TFDS``, as ``features``.
      split: whose examples are prepared.
      held_out: a split that is held out whole; "" for equation (1).
      features: role to feature, where the guess would be wrong.
      rate: frames per second, if the set holds frames and not films.

    Raises:
      FileNotFoundError: it is not prepared by TFDS.
      ValueError: no such set, split or feature, or it holds stills.
    """
    found, classes = [], ()
    pairs = tuple(sorted((features or {}).items()))
    for part, to in ((split, "train" if held_out else ""), (held_out, "held_out")):
        if not part:
            continue
        data = tfds_source.TFDS(name, part, features=features)
        if data.kind == "still":
            raise ValueError(f"{name} holds stills; prepare_data makes records of films.")
        classes = data.classes
        found += [
            Item(
                path=name,
                name=f"{data.full_name} {part} {number}",
                split=to,
                example=Example(part, number, pairs, rate),
                stamp=(data.bytes_of_example, 0),
            )
            for number in range(len(data))
        ]
    return found, classes


def fraction(text: str) -> float:
    """sha256 of a text as a fraction in [0, 1)."""
    return spans.fraction(hashlib.sha256(text.encode()).hexdigest())


def split_of(key: str, share: float) -> str:
    """Equation (1): "train" or "held_out", with a ``share`` of all keys held out."""
    return "held_out" if fraction(key) >= 1.0 - share else "train"
