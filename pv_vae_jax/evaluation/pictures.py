"""Videos beside each other, for a person's eyes: a strip of frames (PNG) and a film (MP4).

Rows are named videos of one clip, uint8 ``[T, H, W, 3]``: original, reconstruction, prediction.
Small frames are enlarged by whole factors (nearest pixel: nothing is invented); a strip shrinks
large ones, a film does not.  A frame that a row did not see has an orange border.
"""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pv_vae_jax.core import storage
from pv_vae_jax.data import video_files

LEAST, MOST = 96, 256  # rows of a frame in the picture; MOST is the strip's
MARGIN = 18  # rows of a line of text
WITHHELD = (255, 140, 0)
PAPER, INK = (255, 255, 255), (0, 0, 0)

Rows = Mapping[str, np.ndarray]


def evenly(frames: int, columns: int = 9) -> np.ndarray:
    """At most ``columns`` frame numbers of 0 .. frames - 1, first and last among them."""
    return np.unique(np.linspace(0, frames - 1, min(columns, frames)).round().astype(int))


def strip(
    path: str | os.PathLike,
    rows: Rows,
    withheld: Mapping[str, int] | None = None,
    numbers: Sequence[int] | None = None,
) -> None:
    """Writes the strip: a row for each video, a column for each frame.

    Args:
      path: the PNG.
      rows: videos of one shape by label, in order.
      withheld: label to the first frame that this row did not see.
      numbers: the rows' frames are these frames of the clip; without it, a strip shows some of
        the rows' frames, evenly chosen.

    Raises:
      ValueError: no rows, or rows of several shapes.
    """
    if numbers is None:
        numbers = evenly(_frames(rows))
        rows = {label: video[numbers] for label, video in rows.items()}
    _frames(rows)
    cells = {
        label: [
            _bordered(_small(_enlarged(frame)), withheld, label, number)
            for frame, number in zip(video, numbers, strict=True)
        ]
        for label, video in rows.items()
    }
    picture = sheet(cells, [f"frame {number}" for number in numbers])
    with storage.whole(path) as partial:
        picture.save(partial, format="PNG")


def sheet(
    rows: Mapping[str, Sequence[Image.Image]], heads: Sequence[str], gap: int = 2
) -> Image.Image:
    """Images of one size in a grid, a label before each row, a head above each column.

    Args:
      rows: images by label, in order, as many as there are heads.
      heads: of the columns.
      gap: pixels between images.
    """
    width, height = next(iter(rows.values()))[0].size
    font = ImageFont.load_default(size=13)
    left = int(max(font.getlength(label) for label in rows)) + 12
    size = (left + len(heads) * (width + gap), MARGIN + len(rows) * (height + gap))
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    for column, head in enumerate(heads):
        x = left + column * (width + gap)
        draw.text((x + width // 2, MARGIN // 2), head, INK, font, anchor="mm")
    for row, (label, images) in enumerate(rows.items()):
        y = MARGIN + row * (height + gap)
        draw.text((6, y + height // 2), label, INK, font, anchor="lm")
        for column, image in enumerate(images):
            picture.paste(image, (left + column * (width + gap), y))
    return picture


def film(
    path: str | os.PathLike,
    rows: Rows,
    rate: float,
    withheld: Mapping[str, int] | None = None,
) -> None:
    """Writes the videos beside each other (:func:`beside`) as an MP4 of ``rate`` frames/s."""
    video_files.write(path, [beside(rows, withheld)], rate)


def beside(rows: Rows, withheld: Mapping[str, int] | None = None) -> np.ndarray:
    """The videos side by side, their labels in a bar on top.

    Args:
      rows: videos of one shape by label, in order.
      withheld: label to the first frame that this row did not see.

    Returns:
      uint8 ``[T, H', W', 3]``, sides even.

    Raises:
      ValueError: no rows, or rows of several shapes.
    """
    font = ImageFont.load_default(size=13)
    widest = int(max(font.getlength(label) for label in rows)) + 12 if rows else 0
    pictures = []
    for number in range(_frames(rows)):
        cells = [
            _bordered(_enlarged(video[number]), withheld, label, number)
            for label, video in rows.items()
        ]
        width, height = cells[0].size
        step = max(width, widest) + 2
        even = (len(cells) * step + 1) // 2 * 2, (MARGIN + height + 1) // 2 * 2  # for yuv420p
        picture = Image.new("RGB", even, PAPER)
        draw = ImageDraw.Draw(picture)
        for column, (label, cell) in enumerate(zip(rows, cells, strict=True)):
            x = column * step
            draw.text((x + step // 2, MARGIN // 2), label, INK, font, anchor="mm")
            picture.paste(cell, (x + (step - width) // 2, MARGIN))
        pictures.append(np.asarray(picture))
    return np.stack(pictures)


def _frames(rows: Rows) -> int:
    shapes = {label: video.shape for label, video in rows.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"a picture shows videos of one shape, got {shapes or 'none'}.")
    return next(iter(shapes.values()))[0]


def _enlarged(frame: np.ndarray) -> Image.Image:
    image = Image.fromarray(frame)
    factor = max(1, -(-LEAST // image.height))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _small(image: Image.Image) -> Image.Image:
    if image.height <= MOST:
        return image
    width = max(1, round(image.width * MOST / image.height))
    return image.resize((width, MOST), Image.Resampling.LANCZOS)


def _bordered(
    image: Image.Image, withheld: Mapping[str, int] | None, label: str, frame: int
) -> Image.Image:
    if frame >= (withheld or {}).get(label, frame + 1):
        box = (0, 0, image.width - 1, image.height - 1)
        ImageDraw.Draw(image).rectangle(box, outline=WITHHELD, width=3)
    return image
