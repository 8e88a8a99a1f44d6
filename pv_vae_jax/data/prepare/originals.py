"""What an item is read from: a film in a file, here or at a URL, or an example of a TFDS set.

    File       a path or a URL; its digest is the sha256 of its bytes
    Example    a film in bytes, or frames, which say no rate; the sha256 of the encoded frames

Both have a digest, a label, a caption, a rate, a count and frames, and raise ClipError where one of
these cannot be had.
"""

import errno
import functools
import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from pv_vae_jax.core import storage
from pv_vae_jax.data import images, tfds_source, video_files, video_probe
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.entry import PASSING, Entry
from pv_vae_jax.data.prepare import items


def decoded(film: str | os.PathLike | bytes, name: str) -> Iterator[np.ndarray | None]:
    """All frames of a film, uint8 RGB ``[H, W, 3]``; None for a damaged one.

    Raises:
      ClipError: the film cannot be decoded to its end.
    """
    try:
        with video_files.container_of(film) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # the cores are for other films
            for frame, is_damaged in video_files.with_damage(container.decode(stream)):
                yield None if is_damaged else video_files.upright(frame)
    except video_files.FAILURES as error:
        raise ClipError(name, video_files.reason_of(error)) from error


def _probed(film: str | bytes, name: str) -> Entry:
    entry = video_probe.probe(film)
    if entry.reason:
        passes = OSError(errno.EAGAIN, entry.reason) if entry.modified == PASSING else None
        raise ClipError(name, entry.reason) from passes
    return entry


class File:
    """A film in a file."""

    def __init__(self, item: items.Item):
        """OSError if the file cannot be read."""
        self.item, self.digest = item, storage.sha256(item.path)
        self.label, self.caption = item.label, item.caption

    @functools.cached_property
    def _entry(self) -> Entry:
        return _probed(self.item.path, self.item.path)

    def rate(self) -> float:
        """Frames per second."""
        return self._entry.rate

    def count(self) -> int:
        """How many frames there are."""
        return self._entry.frames

    def frames(self) -> Iterator[np.ndarray | None]:
        """See :func:`decoded`."""
        return decoded(self.item.path, self.item.path)


@functools.lru_cache(maxsize=4)
def _data_set(name: str, split: str, features: tuple) -> tfds_source.TFDS:
    """Opened once in a process, not once an example."""
    return tfds_source.TFDS(name, split, features=dict(features))


class Example:
    """A film that is an example of a TFDS set."""

    def __init__(self, item: items.Item):
        """ClipError if the example cannot be read."""
        origin = item.example
        data = _data_set(item.path, origin.split, origin.features)
        self.item, self._kind = item, data.kind
        self._pixels, self.label, self.caption = data.example(origin.number)
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(part)
        self.digest = digest.hexdigest()

    def _parts(self) -> Iterator[Any]:
        if self._kind == "film":
            yield bytes(self._pixels)
            return
        for picture in self._pixels:
            yield bytes(picture) if self._kind == "frames" else np.ascontiguousarray(picture)

    def rate(self) -> float:
        """Frames per second; of frames, what the item says."""
        if self._kind == "film":
            return _probed(bytes(self._pixels), self.item.name).rate
        return self.item.example.rate

    def count(self) -> int:
        """How many frames there are."""
        if self._kind == "film":
            return _probed(bytes(self._pixels), self.item.name).frames
        return len(self._pixels)

    def frames(self) -> Iterator[np.ndarray | None]:
        """See :func:`decoded`; a picture that cannot be read is an error."""
        if self._kind == "film":
            yield from decoded(bytes(self._pixels), self.item.name)
            return
        for picture in self._pixels:
            if self._kind == "frames":
                yield images.read(bytes(picture), name=self.item.name)
            else:
                yield np.broadcast_to(picture, (*picture.shape[:2], 3))


def opened(item: items.Item) -> File | Example:
    """The original of an item; OSError or ClipError if it cannot be read."""
    return Example(item) if item.example else File(item)
