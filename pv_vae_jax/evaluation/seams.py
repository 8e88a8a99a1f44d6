"""Where a reconstruction in pieces differs from that of the whole clip.

    d = x_pieces - x_whole,      both float in [-1, 1]
    seam = 10 log10(4 / mean d^2)   [dB], 4 = (1 - (-1))^2                                  (1)
    map[w] = mean |d| over all but w;  the same by row and by frame                         (2)

Pieces are chunks of time, tiles of the frame, or both.  (1) is a PSNR against the whole, not
against the original: above 100 dB is float32's rounding, 59 dB is that of 8 bits, and a cut that
the eye finds is far below.  A seam shows in (2) as a peak at a cut.
"""

import dataclasses
from typing import Any

import numpy as np

from pv_vae_jax.evaluation import any_size
from pv_vae_jax.models.video_vae import VideoVAE

MOST = 200.0  # dB, where nothing differs


@dataclasses.dataclass(frozen=True)
class Seams:
    """Equations (1) and (2) of one way of cutting.

    Attributes:
      decibels: equation (1).
      columns: equation (2), ``[W]``.
      rows: ``[H]``.
      frames: ``[T]``.
      picture: mean |d| over frames and colours, ``[H, W]``.
    """

    decibels: float
    columns: np.ndarray
    rows: np.ndarray
    frames: np.ndarray
    picture: np.ndarray

    def figures(self) -> dict[str, Any]:
        """JSON values: the seam, and where the difference is largest, over the mean."""
        mean = float(self.picture.mean())
        found: dict[str, Any] = {"decibels": self.decibels, "mean_difference": mean}
        for name in ("columns", "rows", "frames"):
            values = getattr(self, name)
            worst = int(values.argmax())
            over = float(values[worst]) / mean if mean else 1.0
            found[name] = {"worst": worst, "over_the_mean": over}
        return found


def between(pieces: np.ndarray, whole: np.ndarray) -> Seams:
    """Equations (1) and (2) of two videos ``[T, H, W, 3]``."""
    difference = np.abs(np.asarray(pieces, np.float64) - np.asarray(whole, np.float64))
    error = float(np.square(difference).mean())
    decibels = min(MOST, 10 * np.log10(4 / error)) if error else MOST
    axes = {"columns": (0, 1, 3), "rows": (0, 2, 3), "frames": (1, 2, 3), "picture": (0, 3)}
    return Seams(decibels, **{name: difference.mean(axis=axis) for name, axis in axes.items()})


def of_chunks(vae: VideoVAE, video: np.ndarray, piece: int) -> Seams:
    """A clip in chunks of ``piece`` latent steps, or what the model has instead, against the whole.

    Args:
      vae: the model.
      video: uint8 ``[T, H, W, 3]`` of a valid form.
      piece: see evaluation/any_size.py, whose ways of cutting these are.
    """
    total = len(video)
    latents = any_size.encode(vae, iter(video), total, piece)
    found = [np.asarray(each)[0] for each in any_size.decode(vae, latents, total)]
    return between(np.concatenate(found), _whole(vae, video))


def of_tiles(vae: VideoVAE, tiled: VideoVAE, video: np.ndarray) -> Seams:
    """A clip uint8 ``[T, H, W, 3]`` in tiles of the frame (pv.tile) against the whole."""
    return between(_whole(tiled, video), _whole(vae, video))


def _whole(vae: VideoVAE, video: np.ndarray) -> np.ndarray:
    return np.asarray(vae.decode(vae.encode(video[None])))[0]
