"""Stills: a picture is a clip of one frame.

    f(picture) = sha256(its first 64 KiB, its size), the first 52 bits as a fraction     (1)

A source with the span [a, b) holds the pictures with a <= f < b: (0, 0.9) and (0.9, 1) share none,
copies of a picture are on one side whatever their names, and a folder can be moved or grow.  Every
picture comes out upright (EXIF) as uint8 RGB: grey three times, transparent parts on white, 16 bits
of grey as 8, of an animation the first frame.
"""

import dataclasses
import hashlib
import math
import os
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageOps

from pv_vae_jax.data import manifest
from pv_vae_jax.data.clips import Clip, ClipError, Draw

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
HEAD, DIGITS = 2**16, 13  # bytes that are hashed, hexadecimal digits that are kept
# What Pillow raises at files that are damaged, foreign or too large.
FAILURES = (
    OSError, SyntaxError, ValueError, EOFError, IndexError,
    PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning,
)  # fmt: skip


def reason_of(error: Exception) -> str:
    """What an error of Pillow means, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PIL.UnidentifiedImageError):
        return "not a readable picture"
    return str(getattr(error, "strerror", None) or error).lower() or type(error).__name__


def probe(path: str | os.PathLike) -> manifest.Entry:
    """What is known of one picture from its header; a bad one has a ``reason``, nothing raises.

    Pixels that break off behind a good header are met by :func:`read`.
    """
    path = os.path.abspath(path)
    entry = manifest.Entry(path)
    try:
        stat = os.stat(path)
        entry = manifest.Entry(path, stat.st_size, stat.st_mtime_ns)
        if not stat.st_size:
            return dataclasses.replace(entry, reason="empty file")
        with open(path, "rb") as file:
            content = hashlib.sha256(file.read(HEAD) + str(stat.st_size).encode())
        with PIL.Image.open(path) as image:
            if image.mode in ("I", "F"):
                return dataclasses.replace(
                    entry, reason=f"its pixels are of type {image.mode}, not of 8 or 16 bits"
                )
    except FAILURES as error:
        return dataclasses.replace(entry, reason=reason_of(error))
    digest = content.hexdigest()[:DIGITS]
    return dataclasses.replace(entry, frames=1, digest=digest)


PICTURES = manifest.Kind("picture", EXTENSIONS, probe)


def read(path: str | os.PathLike, least: int = 2**30) -> np.ndarray:
    """A picture, uint8 RGB ``[H, W, 3]``, upright.

    Args:
      path: of the file.
      least: a JPEG may be decoded at a half, quarter or eighth, to sides no shorter than this.

    Raises:
      ClipError: the file cannot be read to its end.
    """
    try:
        with PIL.Image.open(path) as image:
            image.draft("RGB", (least, least))
            return _rgb(PIL.ImageOps.exif_transpose(image))
    except FAILURES as error:
        raise ClipError(os.fspath(path), reason_of(error)) from error


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
    ):
        """Probes the headers, or remembers them (data/manifest.py).

        Args:
          where: a folder (recursive), a text file with one path a line (relative to it), one
            picture, or a sequence of paths.
          span: which pictures are used, by equation (1).
          progress: shows a bar while probing; say False on all processes but the first.

        Raises:
          FileNotFoundError: nothing there, no usable picture, or none in the span.
          ValueError: an unreadable list, or a span out of range.
        """
        if not 0.0 <= span[0] < span[1] <= 1.0:
            raise ValueError(f"span is two fractions, 0 <= from < to <= 1, got {tuple(span)}.")
        entries = manifest.of(where, progress, PICTURES)
        self.refused = {entry.path: entry.reason for entry in entries if entry.reason}
        for name, reason in self.refused.items():
            manifest.name_once(name, reason)
        usable = [entry for entry in entries if not entry.reason]
        if not usable:
            reasons = "\n".join(f"  {name}: {reason}" for name, reason in self.refused.items())
            raise FileNotFoundError(
                f"none of {len(entries)} files at {where} is usable:\n{reasons}"
            )
        places = [int(entry.digest, 16) / 16**DIGITS for entry in usable]
        self._paths = [
            entry.path
            for entry, place in zip(usable, places, strict=True)
            if span[0] <= place < span[1]
        ]
        if not self._paths:
            raise FileNotFoundError(
                f"none of {len(usable)} pictures at {where} falls into the span {tuple(span)}: "
                "add pictures, or widen the span (data.held_out of a config)."
            )

    def __len__(self) -> int:
        return len(self._paths)

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
        picture = read(self._paths[j], math.ceil(max(height, width) / draw.scale))
        video = draw.resized(picture, height, width)[None]
        return Clip(np.ascontiguousarray(draw.oriented(video)), self._paths[j])
