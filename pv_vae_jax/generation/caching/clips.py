"""Which clips are encoded, how they are drawn, and what they become.

    clip n of a split    clip j of its source under draw d,    j, d = divmod(n, draws)         (1)
    draw d               the start of its slot and the centre crop; of several draws drawn ones,
                         a function of (seed, n)
    records of clip n    one; with ``flip`` it is followed by one of the clip mirrored

``draws`` and ``flip`` are of training: what is held out is encoded once, as it is.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import grain
import numpy as np

from pv_vae_jax.data.clips import Augment, ClipError, Draw
from pv_vae_jax.data.latent_records import Header
from pv_vae_jax.data.sources import Source

Made = tuple[Header, np.ndarray]  # a clip uint8 [T, H, W, 3], and what is known of it


@dataclasses.dataclass(frozen=True)
class Clips:
    """Equation (1).

    Attributes:
      frames: of a clip, T.
      height: rows of pixels.
      width: columns.
      stride: source frames per frame of the clip.
      draws: how often each clip of the source is drawn.
      flip: whether each is encoded mirrored, too.
      seed: of several draws.
    """

    frames: int
    height: int
    width: int
    stride: int = 1
    draws: int = 1
    flip: bool = False
    seed: int = 0

    def __post_init__(self):
        for name in ("frames", "height", "width", "stride", "draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} is a number from 1, got {getattr(self, name)}.")

    @property
    def span(self) -> int:
        """Frames of a source that a clip reaches over."""
        return 1 + (self.frames - 1) * self.stride

    @property
    def records(self) -> int:
        """Of each clip."""
        return 2 if self.flip else 1

    def of(self, split: str) -> "Clips":
        """Of training these; of what is held out each once, as it is."""
        return self if split == "train" else dataclasses.replace(self, draws=1, flip=False)

    def draw(self, n: int) -> Draw:
        """The draw of clip ``n``, equation (1)."""
        if self.draws == 1:
            return Draw(stride=self.stride)
        drawn = Augment(strides=(self.stride,), scale=(1.0, 1.0), flip=0.0, reversal=0.0)
        return drawn.draw(self.seed, n)


@dataclasses.dataclass(frozen=True)
class Shard:
    """A shard by its name, and its clips: those from ``first`` up to ``end``."""

    split: str
    name: str
    first: int
    end: int

    @property
    def clips(self) -> int:
        """How many it has, those that cannot be read included."""
        return self.end - self.first


class Reader:
    """Reads the clips of the sources of each split."""

    def __init__(self, sources: Mapping[str, Source], clips: Clips, threads: int):
        self._sources, self._clips, self._threads = sources, clips, threads

    def clip(self, split: str, n: int) -> list[Made]:
        """The records of clip ``n`` to be; ClipError if it cannot be read."""
        clips = self._clips.of(split)
        draw, size = clips.draw(n), (clips.frames, clips.height, clips.width)
        clip = self._sources[split].clip(n // clips.draws, draw, *size)
        drawn, known = dataclasses.asdict(draw), (clip.name, clip.label, clip.caption)
        made = [(Header(f"{split}/{n}", *known, drawn), clip.video)]
        if clips.flip:
            header = Header(f"{split}/{n}/mirrored", *known, drawn | {"flip": True})
            made.append((header, clip.video[:, :, ::-1]))
        return made

    def ahead(self, shard: Shard) -> Iterator[tuple[int, list[Made] | ClipError]]:
        """Number and records, or error, of each clip of a shard in order; threads run ahead."""

        def read(n: int) -> tuple[int, list[Made] | ClipError]:
            try:
                return n, self.clip(shard.split, n)
            except ClipError as error:
                return n, error

        options = grain.ReadOptions(
            num_threads=self._threads, prefetch_buffer_size=4 * self._threads
        )
        numbers = grain.MapDataset.range(shard.first, shard.end)
        iterator = iter(numbers.map(read).to_iter_dataset(options))
        try:
            yield from iterator
        finally:
            iterator.close()
