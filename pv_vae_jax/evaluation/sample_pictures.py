"""Samples at once: a grid of films as one film, and its frames as one picture."""

from typing import Any

import numpy as np
from PIL import Image

from pv_vae_jax.core import storage
from pv_vae_jax.data import video_files
from pv_vae_jax.evaluation import pictures
from pv_vae_jax.generation.folder import SamplesFolder

LEAST = 64  # rows of a sample in the grid; smaller ones are enlarged by a whole factor
COLUMNS = 5  # moments of a sample in the picture


def arranged(videos: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Videos ``[N, T, H, W, 3]`` as one ``[T, rows H', columns W', 3]``, nearly square.

    What is missing in the last row is white; small videos are enlarged (nearest pixel).
    """
    count, frames = videos.shape[:2]
    factor = max(1, -(-LEAST // videos.shape[2]))
    videos = videos.repeat(factor, axis=2).repeat(factor, axis=3)
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    full = np.full((rows * columns, *videos.shape[1:]), 255, np.uint8)
    full[:count] = videos
    height, width = videos.shape[2:4]
    full = full.reshape(rows, columns, frames, height, width, 3).transpose(2, 0, 3, 1, 4, 5)
    return np.ascontiguousarray(full.reshape(frames, rows * height, columns * width, 3))


def write(folder: Any, videos: np.ndarray, rate: float) -> None:
    """Writes ``grid.mp4``, and ``grid.png``: a row for each sample, a column for each moment.

    Args:
      folder: where to; a path or a URL.
      videos: uint8 ``[N, T, H, W, 3]``.
      rate: frames per second.
    """
    folder = storage.path(folder)
    storage.make_folder(folder)
    video_files.write(folder / "grid.mp4", [arranged(videos)], rate)
    numbers = pictures.evenly(videos.shape[1], COLUMNS)
    moments = videos[:, numbers].reshape(-1, 1, *videos.shape[2:])
    picture = arranged(moments, len(numbers))[0]
    with storage.whole(folder / "grid.png") as partial:
        Image.fromarray(picture).save(partial, format="PNG")


def grid_of_folder(folder: SamplesFolder, count: int, rate: float) -> None:
    """The grid of the first ``count`` samples of a folder, beside its videos."""
    videos = [
        np.concatenate(list(video_files.iterate(folder.video_of(i), 64))) for i in range(count)
    ]
    write(folder.where, np.stack(videos), rate)
