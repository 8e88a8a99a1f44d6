"""What is known of one file, a video (data/video_probe.py) or a picture (data/images.py)."""

import dataclasses
from collections.abc import Callable, Set

import numpy as np

PASSING = -1  # a "modified" that no file has: what could not be read is probed at the next start


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file.

    Attributes:
      path: absolute, or a URL.
      size: bytes.
      modified: modification time in nanoseconds; of a URL, a number of its version.
      reason: why it cannot be used, or "".
      frames: how many can be read.
      height: upright rows.
      width: upright columns.
      rate: frames per second.
      duration: seconds.
      first: pts of the first frame.
      step: pts from each frame to the next, or 0 where that varies.
      times: all pts where they vary, otherwise empty.
      digest: of a picture's content, hexadecimal.
    """

    path: str
    size: int = 0
    modified: int = 0
    reason: str = ""
    frames: int = 0
    height: int = 0
    width: int = 0
    rate: float = 0.0
    duration: float = 0.0
    first: int = 0
    step: int = 0
    times: tuple[int, ...] = ()
    digest: str = ""

    def pts(self, numbers: np.ndarray) -> list[int]:
        """The time stamps of frames ``numbers``."""
        if self.step:
            return [self.first + int(number) * self.step for number in numbers]
        return [self.times[number] for number in numbers]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file: its noun, the extensions looked for in a folder, and what probes one."""

    noun: str
    extensions: Set[str]
    probe: Callable[[str], Entry]
