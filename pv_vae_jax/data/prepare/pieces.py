"""From the frames of a file to pieces of one shot, and what is dropped by which rule.

A shot is cut into pieces of ``frames`` frames from its first on; with luma Y(t) of the small frames
(data/prepare/cuts.py), in grey levels of 0 to 255, a piece is dropped if it is

    too short   fewer than ``shortest`` frames (the rest of a shot)
    black       more than ``black`` of its frames have 98% of their pixels below a tenth of white
    static      max over t of mean |Y(t) - Y(0)| < ``static``

Frames are those of ``first`` <= t < ``end``.  By time, no piece crosses the boundary of a source:

    b = ceil(first + (1 - held_out) (end - first)),   held_out: pieces that begin at b or later  (1)
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from pv_vae_jax.data.prepare import cuts

BLACK_LUMA, BLACK_SHARE = 0.1 * 255, 0.98  # of FFmpeg's blackdetect


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is made of a source; every value changes the bytes of the shards.

    Attributes:
      frames: of a piece.
      shortest: fewest frames of a piece.
      side: shorter side in pixels; smaller films keep their size.
      cut: ratio of change at which a shot begins, 255 for never (data/prepare/cuts.py).
      clear: change in grey levels at which one begins whatever is around it, 256 for never.
      black: largest share of black frames, 1 keeps all.
      static: least change in grey levels, 0 keeps all.
      held_out: share that is not trained on, of the sources or of the frames of each.
      by: "source", which is on one side whole, or "time": the last frames of each, equation (1).
      first: frame of each source, the first that is used.
      end: frame of each source, the first after those that are used; 0 for all.
      codec: "h264" or "jpeg".
      crf: of H.264, 0 to 51.
      group: frames of a group of pictures of H.264.
      quality: of JPEG, 1 to 100.
      shard_bytes: a shard has about this many bytes, or fewer.
      shards: how many for each split, 0 for as many as ``shard_bytes`` asks for.
    """

    frames: int = 65
    shortest: int = 17
    side: int = 256
    cut: float = 3.0
    clear: float = 40.0
    black: float = 0.5
    static: float = 1.0
    held_out: float = 0.1
    by: str = "source"
    first: int = 0
    end: int = 0
    codec: str = "h264"
    crf: int = 17
    group: int = 13
    quality: int = 95
    shard_bytes: int = 2**28
    shards: int = 0

    def __post_init__(self):
        for name, low, high in (
            ("frames", 1, 2**16), ("shortest", 1, self.frames), ("side", 2, 2**14),
            ("cut", 1, 255), ("clear", 0, 256), ("black", 0, 1), ("static", 0, 255),
            ("held_out", 0, 1), ("crf", 0, 51), ("group", 1, 2**16), ("quality", 1, 100),
            ("shard_bytes", 1, 2**40), ("shards", 0, 99_999), ("first", 0, 2**31),
            ("end", 0, 2**31),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                value = getattr(self, name)
                raise ValueError(f"{name} is within {low} and {high}, got {value}.")
        if self.codec not in ("h264", "jpeg"):
            raise ValueError(f"codec is h264 or jpeg, got {self.codec!r}.")
        if self.by not in ("source", "time"):
            raise ValueError(f"by is source or time, got {self.by!r}.")
        if 0 < self.end <= self.first:
            raise ValueError(f"end is above first, or 0 for all; got {self.end} and {self.first}.")

    def boundary(self, frames: int) -> int:
        """Where held_out begins in a source of so many frames, equation (1)."""
        used = max(0, min(self.end or frames, frames) - self.first)
        return self.first + math.ceil((1 - self.held_out) * used - 1e-9)


@dataclasses.dataclass(frozen=True)
class Piece:
    """Frames ``first`` to ``first + len(video) - 1`` of a file, uint8 ``[T, H, W, 3]``, even."""

    first: int
    video: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dropped:
    """Frames of a file that are left out, and the rule by which."""

    first: int
    frames: int
    reason: str


def shrunk(frame: np.ndarray, side: int) -> np.ndarray:
    """A frame with a shorter side of at most ``side`` and even sides, as yuv420p needs."""
    height, width = frame.shape[:2]
    scale = min(1.0, side / min(height, width))
    size = [max(2, round(length * scale) // 2 * 2) for length in (height, width)]
    if size == [height, width]:
        return frame
    if scale == 1.0:  # an odd row or column is cut off
        return np.ascontiguousarray(frame[: size[0], : size[1]])
    return cv2.resize(frame, (size[1], size[0]), interpolation=cv2.INTER_AREA)


def _fault(pictures: list[np.ndarray], rules: Rules) -> str:
    """The rule by which a piece is dropped, or ""."""
    if len(pictures) < rules.shortest:
        return "too short"
    luma = np.stack([cv2.cvtColor(p, cv2.COLOR_BGR2GRAY) for p in pictures])
    dark = (luma < BLACK_LUMA).mean(axis=(1, 2)) >= BLACK_SHARE
    if dark.mean() > rules.black:
        return "black"
    change = max(float(cv2.absdiff(picture, luma[0]).mean()) for picture in luma)
    return "static" if change < rules.static and len(luma) > 1 else ""


def _of_run(
    numbered: Iterable[tuple[int, np.ndarray]], rules: Rules, boundary: int | None
) -> Iterator[Piece | Dropped]:
    """The pieces of frames of one size without a gap, with their numbers."""
    first, video, pictures = 0, [], []

    def ended() -> Piece | Dropped:
        fault = _fault(pictures, rules)
        if fault:
            return Dropped(first, len(video), fault)
        return Piece(first, np.stack(video))

    resized = ((number, shrunk(frame, rules.side)) for number, frame in numbered)
    pairs = (((number, frame), cuts.small(frame)) for number, frame in resized)
    for (number, frame), picture, begins in cuts.marked(pairs, rules.cut, rules.clear):
        if video and (begins or number == boundary or len(video) == rules.frames):
            yield ended()
            video, pictures = [], []
        first = first if video else number
        video.append(frame)
        pictures.append(picture)
    if video:
        yield ended()


def of(
    frames: Iterable[np.ndarray | None], rules: Rules, boundary: int | None = None
) -> Iterator[Piece | Dropped]:
    """The pieces of a file in order, and what is dropped between them.

    Args:
      frames: all of the file, uint8 RGB ``[H, W, 3]``, None for a corrupt one; no piece has one,
        nor frames of two sizes.
      rules: of the pieces.
      boundary: a frame that no piece crosses.
    """
    numbered = itertools.islice(enumerate(frames), rules.first, rules.end or None)

    def shape(pair: tuple[int, np.ndarray | None]) -> tuple[int, ...] | None:
        return None if pair[1] is None else pair[1].shape

    for shape_of_run, run in itertools.groupby(numbered, shape):
        if shape_of_run is None:
            numbers = [number for number, _ in run]
            yield Dropped(numbers[0], len(numbers), "corrupt")
        else:
            yield from _of_run(run, rules, boundary)
