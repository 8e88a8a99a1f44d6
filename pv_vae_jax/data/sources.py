"""Where clips come from: rendered, from video files here, from pictures in data/images.py.

A source is a number of clips; clip ``j`` under a draw (data/clips.py) is always the same pixels.
A video file counts for as many clips as it has whole ``every`` frames (at least one):

    clip j = slot q of a file,   its first frame by equation (1) of data/slots.py           (1)

so an epoch passes each part of each file about once, whatever the lengths of the files.
"""

import copy
import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np

from pv_vae_jax.data import listing, manifest, photographs, rendered, slots, spans, video_files
from pv_vae_jax.data.clips import Clip, Draw
from pv_vae_jax.data.entry import Entry
from pv_vae_jax.data.video_probe import VIDEOS

Pair = tuple[Entry, listing.Item]


class Source(Protocol):
    """A number of clips, each made on demand.

    Attributes:
      refused: what cannot be used, name to reason.
      classes: the names of the labels by number; () where labels have none.
      labelled: whether clips have labels.
      sha256: of what the clips are made from, hexadecimal; "" where that is not known.
    """

    refused: dict[str, str]
    classes: tuple[str, ...]
    labelled: bool
    sha256: str

    def __len__(self) -> int:
        """How many clips there are in an epoch."""

    def of_length(self, frames: int) -> "Source":
        """The same source without what is too short for clips of ``frames`` frames."""

    def clip(self, j: int, draw: Draw, frames: int, height: int, width: int) -> Clip:
        """Clip ``j`` under ``draw``, uint8 ``[frames, height, width, 3]``, or ClipError."""


@dataclasses.dataclass(frozen=True)
class Rendered:
    """Photographs in motion (data/rendered.py); clip ``j`` is the scene of seed ``j``.

    Attributes:
      split: "train" or "held_out": disjoint photographs; scene ``j`` of either moves alike.
      clips: how many scenes an epoch has.
      world: of data/rendered.py.
    """

    split: str = "train"
    clips: int = 1_000_000
    world: str = "photographs"

    classes: ClassVar[tuple[str, ...]] = ()
    labelled: ClassVar[bool] = False
    sha256: ClassVar[str] = ""

    def __post_init__(self):
        photographs.names_of(self.split)
        rendered.world_of(self.world)
        if self.clips < 1:
            raise ValueError(f"rendered clips are counted from 1, got {self.clips}.")

    def __len__(self) -> int:
        return self.clips

    @property
    def refused(self) -> dict[str, str]:
        """Nothing: every scene can be made."""
        return {}

    def of_length(self, frames: int) -> "Rendered":
        """Itself: a scene has any length."""
        return self

    def clip(self, j: int, draw: Draw, frames: int, height: int, width: int) -> Clip:
        """The scene of seed ``j``; of the draw, only stride, flip and reversal apply."""
        form = frames, height, width, self.split, draw.stride, self.world
        scene = rendered.Scene.drawn(j, *form)
        video = np.ascontiguousarray(draw.oriented(scene.video()))
        return Clip(video, f"rendered {self.split} scene {j}")


class Spread:
    """A number of clips evenly from all of a source: of many videos, not the first of them alone.

    Attributes:
      refused: that of the source.
      order: the clips.
    """

    classes: tuple[str, ...] = ()
    labelled: bool = False
    sha256: str = ""

    def __init__(self, source: Source, count: int):
        """Takes ``count`` clips, or all if there are fewer."""
        most = len(source)
        self.source, self.refused = source, source.refused
        self.order = np.linspace(0, most - 1, min(count, most)).round().astype(int)

    def __len__(self) -> int:
        return len(self.order)

    def of_length(self, frames: int) -> "Spread":
        """Of the source without what is too short."""
        return Spread(self.source.of_length(frames), len(self))

    def clip(self, j: int, draw: Draw, frames: int, height: int, width: int) -> Clip:
        """Clip ``order[j]`` of the source."""
        return self.source.clip(int(self.order[j]), draw, frames, height, width)


class VideoFiles:
    """Video files of any size, rate and length."""

    def __init__(
        self,
        where: str | os.PathLike | Sequence[str | os.PathLike],
        span: tuple[float, float] = (0.0, 1.0),
        every: int = 16,
        progress: bool = True,
        labels: str = "",
    ):
        """Probes the files, or remembers them (data/manifest.py).

        Args:
          where: a folder (recursive), a list (data/listing.py), one video file, or a sequence of
            paths; each may be a URL.
          span: the part of each file that is used, as fractions of its frames: (0, 0.9) and
            (0.9, 1) share no frame.
          every: frames per clip of an epoch, see (1).
          progress: shows a bar while probing; say False on all processes but the first.
          labels: "" for those of a list, "folder" or "file" (data/listing.py).

        Raises:
          FileNotFoundError: nothing there, or no usable video; the message lists the reasons.
          ValueError: an unreadable list, or a span or ``every`` out of range.
        """
        self.span = spans.checked(span)
        if every < 1:
            raise ValueError(f"every is a number of frames from 1, got {every}.")
        self.where, self.every = where, every
        listed = listing.of(where, VIDEOS, labels)
        self.classes = listed.classes
        pairs = list(zip(manifest.of_items(listed.items, progress), listed.items, strict=True))
        self.refused = {entry.path: entry.reason for entry, _ in pairs if entry.reason}
        self._hold([pair for pair in pairs if not pair[0].reason], len(pairs), self.refused)

    def _hold(self, pairs: list[Pair], tried: int, refused: dict[str, str]) -> None:
        for name, reason in refused.items():
            manifest.name_once(name, reason)
        if not pairs:
            reasons = "\n".join(f"  {name}: {reason}" for name, reason in self.refused.items())
            raise FileNotFoundError(f"none of {tried} files at {self.where} is usable:\n{reasons}")
        self.entries, self._items = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        spans = [end - first for first, end in map(self._frames_of, self.entries)]
        self._ends = slots.ends(spans, self.every)

    @property
    def labelled(self) -> bool:
        """Whether a file has a label."""
        return any(item.label >= 0 for item in self._items)

    @property
    def sha256(self) -> str:
        """Of names, sizes, frames, labels and captions of the files, and of the span."""
        pairs = zip(self.entries, self._items, strict=True)
        files = [
            [entry.path, entry.size, entry.frames, item.label, item.caption]
            for entry, item in pairs
        ]
        text = json.dumps([self.span, self.every, self.classes, files])
        return hashlib.sha256(text.encode()).hexdigest()

    def _frames_of(self, entry: Entry) -> tuple[int, int]:
        """First frame of the span and the one after its last."""
        return spans.ends(entry.frames, self.span)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def of_length(self, frames: int) -> "VideoFiles":
        """The files whose span holds at least ``frames`` frames; the others are refused."""
        short = {}
        for entry in self.entries:
            first, end = self._frames_of(entry)
            if end - first < frames:
                part = "" if self.span == (0.0, 1.0) else f" in its span {self.span}"
                short[entry.path] = (
                    f"too short: {end - first} frames{part} where {frames} are needed"
                )
        other = copy.copy(self)
        other.refused = {**self.refused, **short}
        pairs = zip(self.entries, self._items, strict=True)
        other._hold(
            [pair for pair in pairs if pair[0].path not in short],
            len(self.entries) + len(self.refused),
            short,
        )
        return other

    def frame_numbers(self, j: int, draw: Draw, frames: int) -> tuple[Entry, np.ndarray]:
        """The file of clip ``j`` and its frames, equation (1); the stride is reduced to fit."""
        number, slot, count = slots.place(self._ends, j)
        entry = self.entries[number]
        first, end = self._frames_of(entry)
        return entry, first + slots.frames(end - first, slot, count, draw, frames)

    def clip(self, j: int, draw: Draw, frames: int, height: int, width: int) -> Clip:
        """Clip ``j`` under ``draw``, cropped and resized; ClipError if the file fails."""
        entry, numbers = self.frame_numbers(j, draw, frames)
        pictures = video_files.read(entry.path, entry.pts(numbers))
        video = np.stack([draw.resized(picture, height, width) for picture in pictures])
        item = self._items[slots.place(self._ends, j)[0]]
        video = np.ascontiguousarray(draw.oriented(video))
        return Clip(video, entry.path, item.label, item.caption)
