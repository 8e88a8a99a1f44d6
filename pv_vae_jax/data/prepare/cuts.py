"""Where shots begin: PySceneDetect's two detectors of content on small frames.

    c(t) = mean of |hue, saturation, luma of t - those of t-1|, 0 to 255                    (1)
    t begins a shot where c(t) >= clear, or c(t) >= ``LEAST`` and
    c(t) >= ratio * mean of c(t-2), c(t-1), c(t+1), c(t+2)

The second alone (AdaptiveDetector) misses cuts between shots of fast motion.  Every such frame
counts, however close to the one before, so that no piece crosses a cut.  The first and the last
frame are shown to the detectors twice more, as the second looks two frames back and ahead.  Slow
transitions (dissolves, fades) are not cuts.
"""

import importlib.util
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import cv2
import numpy as np

AHEAD = 2  # frames on each side of (1)
LEAST = 15.0  # PySceneDetect's default
WIDTH = 256  # columns of the small frame, as PySceneDetect does


def small(frame: np.ndarray) -> np.ndarray:
    """uint8 BGR ``[h, w, 3]`` of a frame uint8 RGB ``[H, W, 3]``, at most ``WIDTH`` wide."""
    height, width = frame.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)


def check() -> None:
    """Raises ValueError if PySceneDetect is not installed."""
    if importlib.util.find_spec("scenedetect") is None:
        raise ValueError(
            "shot cuts are found by PySceneDetect, which is not installed: "
            "pip install -c constraints.txt -e .[prepare]"
        )


class _Detector:
    def __init__(self, ratio: float, clear: float):
        import scenedetect

        self._detectors = (
            scenedetect.ContentDetector(threshold=clear, min_scene_len=0),
            scenedetect.AdaptiveDetector(
                adaptive_threshold=ratio, min_scene_len=1, window_width=AHEAD, min_content_val=LEAST
            ),
        )
        self._timecode, self._shown = scenedetect.FrameTimecode, 0

    def show(self, picture: np.ndarray) -> list[int]:
        """The frames that are now known to begin a shot; the first shown is number 0."""
        moment = self._timecode(self._shown, 25.0)  # frames are counted, the rate is of no account
        self._shown += 1
        found = (detector.process_frame(moment, picture) for detector in self._detectors)
        return [cut.frame_num for cuts in found for cut in cuts]


Frame = TypeVar("Frame")


def marked(
    frames: Iterable[tuple[Frame, np.ndarray]], ratio: float, clear: float
) -> Iterator[tuple[Frame, np.ndarray, bool]]:
    """Each pair (frame, its small picture) with whether it begins a shot; the first one does.

    Args:
      frames: in order, with pictures of one size; ``AHEAD`` of them are kept.
      ratio: of (1), PySceneDetect's ``adaptive_threshold``.
      clear: of (1), PySceneDetect's ``threshold``.
    """
    detector, waiting, begins, passed = _Detector(ratio, clear), deque(), {0}, 0
    last = None
    for frame, picture in frames:
        if last is None:
            for _ in range(AHEAD):
                detector.show(picture)
        begins.update(number - AHEAD for number in detector.show(picture))
        waiting.append((frame, picture))
        last = picture
        if len(waiting) > AHEAD:
            yield (*waiting.popleft(), passed in begins)
            passed += 1
    for _ in range(AHEAD if last is not None else 0):
        begins.update(number - AHEAD for number in detector.show(last))
    while waiting:
        yield (*waiting.popleft(), passed in begins)
        passed += 1
