"""Stills: a picture is a clip of one frame.

    f(picture) = sha256(its first 64 KiB, its size), the first 52 bits as a fraction     (1)

A source with the span [a, b) holds the pictures with a <= f < b: (0, 0.9) and (0.9, 1) share none,
copies of a picture are on one side whatever their names, and a folder can be moved or grow.  Every
picture comes out upright (EXIF) as uint8 RGB: grey three times, transparent parts on white, 16 bits
of grey as 8, of an animation the first frame.
"""

import dataclasses
import hashlib
import io
import json
import math
import os
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageOps

from pv_vae_jax.core import storage, store_errors
from pv_vae_jax.data import listing, manifest, spans
from pv_vae_jax.data.clips import Clip, ClipError, Draw
from pv_vae_jax.data.entry import PASSING, Entry, Kind

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
HEAD = 2**16  # bytes that are hashed
# What Pillow raises at files that are damaged, foreign or too large.
FAILURES = (
    OSError, SyntaxError, ValueError, EOFError, IndexError,
    PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning,
)  # fmt: skip


def reason_of(error: Exception) -> str:
    """What an error of Pillow means, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, store_errors.StoreError):
        return str(error).rstrip(".")
    if isinstance(error, PIL.UnidentifiedImageError):
        return "not a readable picture"
    return str(getattr(error, "strerror", None) or error).lower() or type(error).__name__


def probe(path: str | os.PathLike) -> Entry:
    """What is known of one picture from its header; a bad one has a ``reason``, nothing raises.

    Pixels that break off behind a good header are met by :func:`read`.
    """
    path = storage.absolute(path)
    entry = Entry(path)
    try:
        entry = Entry(path, *storage.stat(path))
        if not entry.size:
            return dataclasses.replace(entry, reason="empty file")
        with storage.opened(path) as file:
            content = hashlib.sha256(file.read(HEAD) + str(entry.size).encode())
            file.seek(0)
            image = PIL.Image.open(file)
            if image.mode in ("I", "F"):
                return dataclasses.replace(
                    entry, reason=f"its pixels are of type {image.mode}, not of 8 or 16 bits"
                )
    except FAILURES as error:
        if store_errors.may_pass(error):
            entry = dataclasses.replace(entry, modified=PASSING)
        return dataclasses.replace(entry, reason=reason_of(error))
    digest = content.hexdigest()[: spans.DIGITS]
    return dataclasses.replace(entry, frames=1, digest=digest)


PICTURES = Kind("picture", EXTENSIONS, probe)


def read(picture: str | os.PathLike | bytes, least: int = 2**30, name: str = "") -> np.ndarray:
    """A picture, uint8 RGB ``[H, W, 3]``, upright.

    Args:
      picture: path or URL of the file, or its bytes.
      least: a JPEG may be decoded at a half, quarter or eighth, to sides no shorter than this.
      name: of the picture in errors, its path by default.

    Raises:
      ClipError: the file cannot be read to its end.
    """
    is_file = not isinstance(picture, bytes)
    try:
        opened = storage.opened(picture) if is_file else io.BytesIO(picture)
        with opened as file, PIL.Image.open(file) as image:
            image.draft("RGB", (least, least))
            return _rgb(PIL.ImageOps.exif_transpose(image))
    except FAILURES as error:
        name = name or (os.fspath(picture) if is_file else "a picture")
        raise ClipError(name, reason_of(error)) from error


def _rgb(image: PIL.Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        grey = np.rint(np.asarray(image) / 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


class ImageFiles:
    """Pictures of any size and colour type as clips of one frame (data/sources.py's protocol)."""

    def __init__(
        self,
        where: str | os.PathLike | Sequence[str | os.PathLike],
        span: tuple[float, float] = (0.0, 1.0),
        progress: bool = True,
        labels: str = "",
    ):
        """Probes the headers, or remembers them (data/manifest.py).

        Args:
          where: a folder (recursive), a list (data/listing.py), one picture, or a sequence of
            paths; each may be a URL.
          span: which pictures are used, by equation (1).
          progress: shows a bar while probing; say False on all processes but the first.
          labels: "" for those of a list, "folder" or "file" (data/listing.py).

        Raises:
          FileNotFoundError: nothing there, no usable picture, or none in the span.
          ValueError: an unreadable list, or a span out of range.
        """
        span = spans.checked(span)
        listed = listing.of(where, PICTURES, labels)
        entries = manifest.of_items(listed.items, progress, PICTURES)
        self.classes = listed.classes
        self.refused = {entry.path: entry.reason for entry in entries if entry.reason}
        for name, reason in self.refused.items():
            manifest.name_once(name, reason)
        pairs = zip(listed.items, entries, strict=True)
        usable = [(item, entry) for item, entry in pairs if not entry.reason]
        if not usable:
            reasons = "\n".join(f"  {name}: {reason}" for name, reason in self.refused.items())
            raise FileNotFoundError(
                f"none of {len(entries)} files at {where} is usable:\n{reasons}"
            )
        used = [
            (item, entry.digest)
            for item, entry in usable
            if span[0] <= spans.fraction(entry.digest) < span[1]
        ]
        self._items, self._digests = zip(*used, strict=True) if used else ((), ())
        if not used:
            raise FileNotFoundError(
                f"none of {len(usable)} pictures at {where} falls into the span {span}: "
                "add pictures, or widen the span (data.held_out of a config)."
            )

    @property
    def sha256(self) -> str:
        """Of contents, labels and captions of the pictures, in order."""
        known = [
            [digest, i.label, i.caption]
            for i, digest in zip(self._items, self._digests, strict=True)
        ]
        return hashlib.sha256(json.dumps([self.classes, known]).encode()).hexdigest()

    @property
    def labelled(self) -> bool:
        """Whether a picture has a label."""
        return any(item.label >= 0 for item in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def of_length(self, frames: int) -> "ImageFiles":
        """Itself; ValueError unless ``frames`` is 1."""
        if frames != 1:
            raise ValueError(
                f"a still is a clip of 1 frame and cannot make {frames}: set frames to 1 for "
                "training on pictures, or leave the pictures out."
            )
        return self

    def clip(self, j: int, draw: Draw, frames: int, height: int, width: int) -> Clip:
        """Picture ``j`` under ``draw``, uint8 ``[1, height, width, 3]``; ClipError if it fails."""
        self.of_length(frames)
        item = self._items[j]
        picture = read(item.path, math.ceil(max(height, width) / draw.scale))
        video = draw.resized(picture, height, width)[None]
        video = np.ascontiguousarray(draw.oriented(video))
        return Clip(video, item.path, item.label, item.caption)
