"""What is drawn for an example: where a clip starts, its stride, crop, flip and direction of time.

    u = uniform numbers of the generator (seed, "clip", example, attempt)               (1)

Each field reads its own number of (1), so a change of one probability leaves the others as they
were.  Fields are fractions where they must fit a file that is not known yet.  Reversal of time is
the paper's "RandomReverse" (arXiv 2605.02134, figure 2).
"""

import dataclasses
import math

import cv2
import numpy as np

from pv_vae_jax.core import rng


@dataclasses.dataclass(frozen=True)
class Clip:
    """Frames uint8 ``[T, H, W, 3]`` with where they came from, a class or -1, and a caption.

    The caption stays on the host; the label travels with the batch.
    """

    video: np.ndarray
    name: str
    label: int = -1
    caption: str = ""


class ClipError(Exception):
    """A clip that cannot be read: ``name`` says which, ``reason`` why."""

    def __init__(self, name: str, reason: str):
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class TooShort(ClipError):
    """A clip that has fewer frames than are wanted, and nothing wrong with it."""


@dataclasses.dataclass(frozen=True)
class Draw:
    """One draw; the default is the plain one: the start, every frame, the largest centre crop.

    Attributes:
      start: where in its slot the clip starts, in [0, 1).
      stride: source frames per frame of the clip.
      scale: side of the crop over that of the largest crop, in (0, 1].
      top: position of the crop between the top (0) and the bottom (1).
      left: position of the crop between left (0) and right (1).
      flip: mirrored left to right.
      reversal: time runs backwards.
    """

    start: float = 0.0
    stride: int = 1
    scale: float = 1.0
    top: float = 0.5
    left: float = 0.5
    flip: bool = False
    reversal: bool = False

    def window(self, size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
        """The crop ``(top, left, rows, columns)`` of frames of ``size``, in target's proportions.

        It never leaves the frame; both pairs are (height, width).
        """
        largest = min(size[0] / target[0], size[1] / target[1])
        rows, columns = (
            min(side, max(1, math.floor(largest * self.scale * wanted + 0.5)))
            for side, wanted in zip(size, target, strict=True)
        )
        top = math.floor(self.top * (size[0] - rows) + 0.5)
        left = math.floor(self.left * (size[1] - columns) + 0.5)
        return top, left, rows, columns

    def oriented(self, video: np.ndarray) -> np.ndarray:
        """``video [T, H, W, 3]`` mirrored and reversed as drawn (a view)."""
        if self.flip:
            video = video[:, :, ::-1]
        return video[::-1] if self.reversal else video

    def resized(self, frame: np.ndarray, height: int, width: int) -> np.ndarray:
        """The drawn crop of one frame ``[H', W', 3]``, resized to ``[height, width, 3]``."""
        top, left, rows, columns = self.window(frame.shape[:2], (height, width))
        crop = frame[top : top + rows, left : left + columns]
        if (rows, columns) == (height, width):
            return crop
        shrinks = rows >= height and columns >= width
        way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return cv2.resize(crop, (width, height), interpolation=way)


@dataclasses.dataclass(frozen=True)
class Augment:
    """How clips are drawn.

    Attributes:
      strides: source frames per frame of the clip, one drawn evenly.
      scale: smallest and largest side of the crop over that of the largest crop.
      flip: probability of mirroring.
      reversal: probability that time runs backwards.
    """

    strides: tuple[int, ...] = (1,)
    scale: tuple[float, float] = (0.6, 1.0)
    flip: float = 0.5
    reversal: float = 0.5

    def __post_init__(self):
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides are whole numbers from 1, got {tuple(self.strides)}.")
        if not 0.0 < self.scale[0] <= self.scale[1] <= 1.0:
            raise ValueError(f"scale is a range within (0, 1], got {tuple(self.scale)}.")
        for name in ("flip", "reversal"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a probability, got {getattr(self, name)}.")

    def draw(self, seed: int, example: int, attempt: int = 0) -> Draw:
        """The draw of an example: a function of (seed, example, attempt), equation (1)."""
        u = rng.host_generator(seed, "clip", example, attempt).random(7)
        return Draw(
            start=float(u[0]),
            stride=int(self.strides[int(u[1] * len(self.strides))]),
            scale=float(self.scale[0] + u[2] * (self.scale[1] - self.scale[0])),
            top=float(u[3]),
            left=float(u[4]),
            flip=bool(u[5] < self.flip),
            reversal=bool(u[6] < self.reversal),
        )
