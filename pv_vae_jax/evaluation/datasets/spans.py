"""Which frames of a file an item is, by their time stamps.

    t_n = (pts_n - pts_0) base                                  seconds after the first frame
    span = {n : start - TOLERANCE <= t_n <= end + TOLERANCE}                              (1)
    clip = the first (T - 1) stride + 1 frames of (1), every stride-th

so a variable frame rate is as good as a fixed one.  A clip is never repeated, padded or taken with
another stride to fit.
"""

import math

import numpy as np

from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.entry import Entry
from pv_vae_jax.evaluation.datasets.item import Item

TOLERANCE = 1e-3  # seconds: lists and containers round times to microseconds or milliseconds


def seconds(entry: Entry) -> np.ndarray:
    """The t of every frame, float64 ``[frames]``."""
    passed = np.array(entry.pts(np.arange(entry.frames)), np.float64)
    passed -= passed[0]
    if len(passed) < 2:
        return passed
    base = entry.duration / (passed[-1] + np.median(np.diff(passed)))  # data/video_probe.py
    return passed * base


def first(key: str, inside: np.ndarray, frames: int, stride: int) -> np.ndarray:
    """``frames`` of the frame numbers ``inside``, every ``stride``-th from the first.

    Raises:
      ClipError: there are too few.
    """
    needed = (frames - 1) * stride + 1
    if len(inside) < needed:
        strided = f" ({frames} of stride {stride})" if stride > 1 else ""
        raise ClipError(key, f"too short: {len(inside)} frames where {needed}{strided} are needed")
    return inside[:needed:stride]


def frames_of(item: Item, entry: Entry, frames: int, stride: int) -> np.ndarray:
    """The frame numbers of a clip by (1), int64 ``[frames]``; ClipError if there are too few."""
    times, end = seconds(entry), math.inf if item.end is None else item.end
    inside = np.flatnonzero((times >= item.start - TOLERANCE) & (times <= end + TOLERANCE))
    return first(item.key, inside, frames, stride)
