"""The index of a folder of shards: what training needs to know before it reads one.

    index.json         {"version", "splits": {name: {"shards": [...], "frames": ...}}, "prepared",
                       "sha256"}; a shard is {"name", "records", "bytes", "sha256"}
    SPLIT.frames.npy   int32, the frames of each record, shard after shard
    classes.json       names of the labels by number, where labels have names

``sha256`` is that of the same JSON without it (sorted keys, no spaces), so a damaged or edited
index is told; ``frames`` is the sha256 of the .npy file.  A million records start in
milliseconds, and no shard is opened.
"""

import hashlib
import io
import json
import os
import pathlib
import shutil
from typing import Any

import numpy as np

from pv_vae_jax.core import cache, storage

VERSION = 1
NAME = "index.json"
CLASSES = "classes.json"
SPLITS = ("train", "held_out")


def _canonical(index: dict[str, Any]) -> bytes:
    rest = {key: value for key, value in index.items() if key != "sha256"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()


def write(
    folder: pathlib.Path, splits: dict[str, list[dict[str, Any]]], prepared: dict[str, Any]
) -> dict[str, Any]:
    """Writes the index, last of all files, and returns it.

    Args:
      folder: of the shards.
      splits: by name the shards in order: ``name``, ``records`` (list of their frames), ``bytes``,
        ``sha256``.
      prepared: what made them; kept in the index.
    """
    index: dict[str, Any] = {"version": VERSION, "prepared": prepared, "splits": {}}
    for split, shards in splits.items():
        lengths = [length for shard in shards for length in shard["records"]]
        file = io.BytesIO()
        np.save(file, np.array(lengths, np.int32), allow_pickle=False)
        storage.write(folder / f"{split}.frames.npy", file.getvalue())
        index["splits"][split] = {
            "shards": [{**shard, "records": len(shard["records"])} for shard in shards],
            "frames": hashlib.sha256(file.getvalue()).hexdigest(),
        }
    index["sha256"] = hashlib.sha256(_canonical(index)).hexdigest()
    storage.write(folder / NAME, json.dumps(index, sort_keys=True, indent=1).encode() + b"\n")
    return index


def read(folder: str | os.PathLike) -> dict[str, Any]:
    """The index of a folder, checked.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is damaged or of another version.
      OSError: it cannot be read; the system says why.
    """
    path = storage.path(folder) / NAME
    try:
        text = storage.read(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"no {NAME} at {path.parent}: give the folder that launch.prepare_data has finished "
            "(the same command goes on with one that it has not)."
        ) from error
    try:
        index = json.loads(text)
        known, version = index["sha256"], index["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not an index of shards, or damaged: {error}.") from error
    if version != VERSION:
        raise ValueError(f"{path} is of version {version}, this program reads {VERSION}.")
    found = hashlib.sha256(_canonical(index)).hexdigest()
    if found != known:
        raise ValueError(
            f"{path} is damaged: its sha256 is {found[:16]} where it says {str(known)[:16]}; copy "
            "it again, or prepare the data again."
        )
    return index


def frames(folder: str | os.PathLike, index: dict[str, Any], split: str) -> np.ndarray:
    """int32 ``[records]``: the frames of each record of a split.

    Raises:
      ValueError: the index has no such split, or the file is damaged.
      OSError: the file cannot be read.
    """
    if split not in index["splits"]:
        there = ", ".join(index["splits"])
        raise ValueError(f"{folder} has no split {split!r}; its index names: {there}.")
    known = index["splits"][split]
    path = storage.path(folder) / f"{split}.frames.npy"
    data = storage.read(path)
    if hashlib.sha256(data).hexdigest() != known["frames"]:
        raise ValueError(f"{path} is not the file that {NAME} beside it names; copy it again.")
    lengths = np.load(io.BytesIO(data), allow_pickle=False)
    records = sum(shard["records"] for shard in known["shards"])
    if lengths.shape != (records,):
        raise ValueError(f"{path} has shape {lengths.shape} for {records} records.")
    return lengths


def keep_classes(folder: str | os.PathLike, names: tuple[str, ...]) -> None:
    """Writes the names of the labels, if they have any."""
    if names:
        storage.write(storage.path(folder) / CLASSES, json.dumps(list(names), indent=1) + "\n")


def classes(folder: str | os.PathLike) -> tuple[str, ...]:
    """The names of the labels by number; none where labels are numbers, or there are none."""
    path = storage.path(folder) / CLASSES
    return tuple(json.loads(storage.read(path))) if storage.exists(path) else ()


def here(folder: str | os.PathLike, shard: dict[str, Any]) -> pathlib.Path:
    """A shard as a file of this machine: itself, or where its one copy stands in the cache."""
    if not storage.is_url(folder):
        return pathlib.Path(folder) / shard["name"]
    return cache.folder("shards") / shard["sha256"][:32] / shard["name"]


def fetch(folder: str | os.PathLike, shard: dict[str, Any]) -> None:
    """Copies a shard that stands at a URL, once, and compares its sha256.

    Raises:
      ValueError: the bytes are not those that the index names.
      OSError: it cannot be read, or not be kept.
    """
    path = here(folder, shard)
    if not storage.is_url(folder) or path.exists():
        return
    with storage.here(storage.path(folder) / shard["name"]) as copy:
        with copy.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != shard["sha256"]:
            raise ValueError(f"sha256 is {found[:16]} where the index says {shard['sha256'][:16]}")
        with storage.whole(path) as partial:
            shutil.move(copy, partial)
