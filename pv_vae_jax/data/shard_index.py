"""The index of a folder of shards: what training needs to know before it reads one.

    index.json         {"version", "splits": {name: {"shards": [...], "frames": ...}}, "prepared",
                       "sha256"}; a shard is {"name", "records", "bytes", "sha256"}
    SPLIT.frames.npy   int32, the frames of each record, shard after shard
    classes.json       names of the labels by number, where labels have names

``sha256`` is the index's own (data/sealed.py); ``frames`` that of the .npy file.  A million records
start in milliseconds, and no shard is opened.
"""

import hashlib
import io
import json
import os
import pathlib
from typing import Any

import numpy as np

from pv_vae_jax.core import json_files, storage
from pv_vae_jax.data import sealed

VERSION = 1
NAME = "index.json"
CLASSES = "classes.json"
SPLITS = ("train", "held_out")


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
    return sealed.write(folder / NAME, index)


def read(folder: str | os.PathLike) -> dict[str, Any]:
    """The index of a folder, checked.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is damaged or of another version.
      OSError: it cannot be read; the system says why.
    """
    return sealed.read(storage.path(folder) / NAME, VERSION, "shards", "launch.prepare_data")


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
    return tuple(json_files.read(path)) if storage.exists(path) else ()
