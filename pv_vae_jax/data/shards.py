"""Clips from ArrayRecord shards (data/records.py, written by launch.prepare_data).

Any record is read by itself (data/shard_files.py), and of a record only the units of the frames
that are wanted; a clip lies within one record, so it never crosses a cut.  Which records there are,
and how long, is known from the index (data/shard_index.py).
"""

import copy
import os

import numpy as np

from pv_vae_jax.core import storage
from pv_vae_jax.data import manifest, records, shard_index, slots
from pv_vae_jax.data.clips import Clip, ClipError, Draw
from pv_vae_jax.data.shard_files import ShardFiles


class Shards:
    """A split of a prepared folder (data/sources.py's protocol); ``sha256`` is of its index."""

    def __init__(self, where: str | os.PathLike, split: str = "train", every: int = 16):
        """Reads the index alone.

        Args:
          where: the folder that launch.prepare_data made.
          split: "train" or "held_out"; no source file is in both, unless split by time.
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
        self.sha256 = index["sha256"]
        self.classes = shard_index.classes(folder)
        if not len(lengths):
            raise ValueError(
                f"the split {split!r} of {folder} has no records: prepare more sources, or another "
                "--held_out; splits are by source, or with --by=time by time."
            )
        self._files = ShardFiles(folder, index["splits"][split]["shards"])
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
        other = copy.copy(self)
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

    @property
    def labelled(self) -> bool:
        """Whether labels have names, or else the first record that can be read has a label."""
        if self.classes:
            return True
        for number in self._numbers:
            try:
                return self.record(int(number)).label >= 0
            except ClipError:
                continue
        return False

    def name_of(self, number: int) -> str:
        """The shard and the place in it of a record of the split."""
        return self._files.name_of(number)

    def record(self, number: int) -> records.Record:
        """Record ``number`` of the split; ClipError if the shard or the record is damaged."""
        data = self._files.read(number)
        return records.decode(data, f"{self.where}/{self.name_of(number)}")

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
