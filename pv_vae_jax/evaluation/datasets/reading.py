"""The clip of an item: its first frames, cropped in the middle and resized, always the same pixels.

    file, cut (spans.py)  ->  decode (data/video_files.py)  ->  FILTER (data/clips.py)

The largest window in the proportions of the target is cut from the middle and resized, which is to
fit the shorter side and crop the longer one, without the pixels that would be thrown away.
"""

import functools
import hashlib

import numpy as np

from pv_vae_jax.core import storage
from pv_vae_jax.data import video_files, video_probe
from pv_vae_jax.data.clips import ClipError, Draw
from pv_vae_jax.data.entry import Entry
from pv_vae_jax.evaluation.datasets import rendered, spans, ucf101_tfds
from pv_vae_jax.evaluation.datasets.item import Item

FILTER = (
    "largest centre crop of the target's proportions, then OpenCV INTER_AREA where both sides "
    "shrink, INTER_CUBIC otherwise, on 8-bit RGB"
)


def clip(item: Item, frames: int, stride: int, height: int, width: int) -> np.ndarray:
    """The first frames of an item, uint8 RGB ``[frames, height, width, 3]``.

    Args:
      item: of :func:`pv_vae_jax.evaluation.datasets.items`.
      frames: how many.
      stride: every ``stride``-th of its span.
      height: of the result, in pixels; resized by ``FILTER``.
      width: likewise.

    Raises:
      ClipError: the item is missing, too short for this, or its file cannot be read; its name is
        the item's key.
      ValueError: a number below 1.
    """
    if min(frames, stride, height, width) < 1:
        raise ValueError(
            f"a clip has frames, stride, height and width from 1; got {frames}, {stride}, "
            f"{height}, {width}."
        )
    if not item.path:
        raise ClipError(item.key, item.reason or "it has no file")
    if item.path.startswith(rendered.SCHEME):
        return rendered.video(item, frames, stride, height, width)
    prepared = item.path.startswith(ucf101_tfds.SCHEME)
    pictures = (ucf101_tfds.pictures if prepared else _pictures)(item, frames, stride)
    return np.stack([Draw().resized(picture, height, width) for picture in pictures])


def state(item: Item) -> str:
    """sha256 of where an item lies, and of the file's size and time; "" of a rendered scene.

    Empty too where there is no file.
    """
    if not item.path or item.path.startswith(rendered.SCHEME):
        return ""
    found: tuple[int, ...] = ()
    if not item.path.startswith(ucf101_tfds.SCHEME):  # its folder names the version
        try:
            found = storage.stat(item.path)
        except OSError:
            return ""
    told = (item.path, item.start, item.end, *found)
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _pictures(item: Item, frames: int, stride: int) -> list[np.ndarray]:
    """The frames of a file, uint8 ``[H, W, 3]`` each."""
    try:
        entry = _probed(item.path, storage.stat(item.path))
    except OSError as error:
        raise ClipError(item.key, video_files.reason_of(error)) from error
    if entry.reason:
        raise ClipError(item.key, entry.reason)
    numbers = spans.frames_of(item, entry, frames, stride)
    return list(video_files.read(item.path, entry.pts(numbers), name=item.key))


@functools.lru_cache(maxsize=256)
def _probed(path: str, stat: tuple[int, int]) -> Entry:
    """What is known of a file as it is now: several items may be cut from it."""
    return video_probe.probe(path)
