"""Clips from ArrayRecord shards (data/records.py, written by launch.prepare_data).

Any record is read by itself, and of a record only the units of the frames that are wanted; a clip
lies within one record, so it never crosses a cut.  Which records there are, and how long, is known
from the index (data/shard_index.py): no shard is opened before a clip of it is read.  Readers are
opened once in each process.  Of a folder at a URL each shard is copied into the cache when its
first clip is read (ArrayRecord wants a file of this machine), and checked.
"""

import dataclasses
import os
from typing import Any

import grain
import numpy as np

from pv_vae_jax.core import storage
from pv_vae_jax.data import manifest, records, shard_index, slots
from pv_vae_jax.data.clips import Clip, ClipError, Draw


@dataclasses.dataclass(frozen=True)
class _Whole:
    """One shard with its number of records, so that the reader need not open it to know."""

    filename: str
    take: int
    skip: int = 0

    @property
    def examples_in_shard(self) -> int:
        return self.take


class Shards:
    """A split of a prepared folder (data/sources.py's protocol)."""

    def __init__(self, where: str | os.PathLike, split: str = "train", every: int = 16):
        """Reads the index alone.

        Args:
          where: the folder that launch.prepare_data made.
          split: "train" or "held_out"; no source file is in both.
          every: frames per clip of an epoch, see data/slots.py.

        Raises:
          FileNotFoundError: no index there, or shards that it names are missing.
          ValueError: a damaged index, a shard of another size than it says, or an empty split.
          OSError: the folder cannot be read.
        """
        if every < 1:
            raise ValueError(f"every is a number of frames from 1, got {every}.")
        folder = storage.path(storage.absolute(os.path.expanduser(where)))
        index = shard_index.read(folder)
        lengths = shard_index.frames(folder, index, split)
        self.where, self.split, self.every, self.refused = str(folder), split, every, {}
        self.classes = shard_index.classes(folder)
        shards = index["splits"][split]["shards"]
        _check_files(folder, shards)
        self._shards = shards
        self._firsts = np.cumsum([0] + [shard["records"] for shard in shards])
        if not len(lengths):
            raise ValueError(
                f"the split {split!r} of {folder} has no records: prepare more sources, or another "
                "--held_out; splits are by source."
            )
        self._source = grain.sources.ArrayRecordDataSource(
            [_Whole(str(shard_index.here(folder, shard)), shard["records"]) for shard in shards]
        )
        self._hold(np.arange(len(lengths)), lengths)

    def _hold(self, numbers: np.ndarray, lengths: np.ndarray) -> None:
        self._numbers, self._lengths = numbers, lengths
        self._ends = slots.ends(lengths, self.every)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def of_length(self, frames: int) -> "Shards":
        """The records of at least ``frames`` frames; the others are refused, with their count.

        Raises:
          ValueError: all records are shorter.
        """
        fits = self._lengths >= frames
        other = object.__new__(Shards)
        other.__dict__.update(self.__dict__)
        if fits.all():
            return other
        short = int((~fits).sum())
        if short == len(fits):
            raise ValueError(
                f"all {short} records of {self.where} ({self.split}) are shorter than {frames} "
                f"frames, the longest has {int(self._lengths.max())}: prepare the data again with "
                f"--frames of at least {frames}."
            )
        name = f"{short} of {len(fits)} records of {self.where} ({self.split})"
        reason = f"too short: fewer than the {frames} frames that are needed"
        other.refused = {**self.refused, name: reason}
        manifest.name_once(name, reason)
        other._hold(self._numbers[fits], self._lengths[fits])
        return other

    def _shard_of(self, number: int) -> int:
        return int(np.searchsorted(self._firsts, number, side="right")) - 1

    def name_of(self, number: int) -> str:
        """The shard and the place in it of a record of the split."""
        shard = self._shard_of(number)
        return f"{self._shards[shard]['name']} record {number - int(self._firsts[shard])}"

    def record(self, number: int) -> records.Record:
        """Record ``number`` of the split; ClipError if the shard or the record is damaged."""
        name = f"{self.where}/{self.name_of(number)}"
        try:
            shard_index.fetch(self.where, self._shards[self._shard_of(number)])
            data = self._source[number]
        except (RuntimeError, OSError, ValueError) as error:
            raise ClipError(name, _reason_of(error)) from error
        return records.decode(data, name)

    def frame_numbers(self, j: int, draw: Draw, frames: int) -> tuple[int, np.ndarray]:
        """The record of clip ``j`` and its frames there; the stride is reduced to fit."""
        piece, slot, count = slots.place(self._ends, j)
        numbers = slots.frames(int(self._lengths[piece]), slot, count, draw, frames)
        return int(self._numbers[piece]), numbers

    def clip(self, j: int, draw: Draw, frames: int, height: int, width: int) -> Clip:
        """Clip ``j`` under ``draw``, cropped and resized; ClipError if the record fails."""
        number, numbers = self.frame_numbers(j, draw, frames)
        record = self.record(number)
        name = f"{self.where}/{self.name_of(number)} ({record.key})"
        if record.frames <= numbers[-1]:
            raise ClipError(name, f"{record.frames} frames where the index says more; copy again")
        pictures = records.frames_of(record, numbers, name)
        video = np.stack([draw.resized(picture, height, width) for picture in pictures])
        video = np.ascontiguousarray(draw.oriented(video))
        return Clip(video, name, record.label, record.caption)


def _check_files(folder: Any, shards: list[dict]) -> None:
    """All shards of the index are there with their sizes; one listing, none is opened."""
    if storage.is_url(folder):
        found = storage.files_under(folder).items()
        sizes = {name.rsplit("/", 1)[1]: stat[0] for name, stat in found}
    else:
        with os.scandir(folder) as entries:
            sizes = {entry.name: entry.stat().st_size for entry in entries}
    missing = [shard["name"] for shard in shards if shard["name"] not in sizes]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(shards)} shards of {folder} are missing, the first is "
            f"{missing[0]}; copy them again."
        )
    for shard in shards:
        if sizes[shard["name"]] != shard["bytes"]:
            raise ValueError(
                f"{folder / shard['name']} has {sizes[shard['name']]} bytes where the index says "
                f"{shard['bytes']}; it is truncated or another file: copy it again."
            )


def _reason_of(error: Exception) -> str:
    """What an error of the reader means, in a few words."""
    text = str(error)
    for sign, meaning in (
        ("No such file", "no such file"),
        ("Permission denied", "permission denied"),
        ("at least 64KB", "not an ArrayRecord file"),
        ("Postscript", "not an ArrayRecord file, or truncated"),
        ("hash mismatch", "damaged data (its checksum does not hold)"),
    ):
        if sign in text:
            return meaning
    return text.splitlines()[0] if text else type(error).__name__
