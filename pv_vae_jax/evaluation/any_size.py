"""A video of any length and size through a model of 1 + p n frames and multiples of s pixels.

    pad    repeat the last frame, the last row and the last column, up to the next valid form
    model  on the whole video, or piece by piece (models/streaming.py) where it may be long
    crop   to what came in

The models are causal in time, so frames that are added at the end change nothing before them.
"""

import collections
import itertools
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from pv_vae_jax.core import dims, pixels
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.models.video_vae import VideoVAE

PIECE = 5  # latent steps at once: 17 frames, a clip of the paper


def padded_shape(shape: tuple[int, ...], spec: LatentSpec) -> tuple[int, int, int]:
    """``(T, H, W)`` of the least valid form that holds ``shape = (T, H, W, ...)``."""
    frames, height, width = shape[:3]
    return (
        dims.lengths_around(frames, spec.temporal)[1],
        dims.sizes_around(height, spec.spatial)[1],
        dims.sizes_around(width, spec.spatial)[1],
    )


def reconstruct(vae: VideoVAE, video: np.ndarray) -> np.ndarray:
    """The reconstruction of one whole video, uint8 ``[T, H, W, 3]`` of any T, H and W."""
    whole = _padded(video, padded_shape(video.shape, vae.spec))
    return _cropped(vae.decode(vae.encode(whole)), video)


def predict(vae: VideoVAE, video: np.ndarray, observe: int) -> np.ndarray:
    """What the model makes of one video's first frames, continued to its length.

    Args:
      vae: the model.
      video: uint8 ``[T, H, W, 3]``; only its first ``observe`` frames are looked at.
      observe: 1 + p n, at most T.

    Returns:
      uint8 of the same shape: the observed frames reconstructed, then the predicted ones.

    Raises:
      ValueError: ``observe`` is of another form.
    """
    dims.groups_of(observe, vae.spec.temporal)
    frames, height, width = padded_shape(video.shape, vae.spec)
    seen = _padded(video[:observe], (observe, height, width))
    return _cropped(vae.predict(seen, frames), video)


def stream(
    vae: VideoVAE, frames: Iterable[np.ndarray], piece: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """:func:`reconstruct` for a video of any length, in memory that does not grow.

    Args:
      vae: the model.
      frames: uint8 ``[H, W, 3]``, one after the other.
      piece: latent steps at once; memory grows with it.

    Yields:
      Pieces of the video and of its reconstruction, uint8 ``[n, H, W, 3]``.
    """
    waiting: collections.deque[np.ndarray] = collections.deque()

    def padded_pieces():
        for number, video in enumerate(_pieces(frames, piece, vae.spec.temporal)):
            waiting.append(video)
            missing = ((number == 0) - len(video)) % vae.spec.temporal
            yield _padded(video, (len(video) + missing, *padded_shape(video.shape, vae.spec)[1:]))

    for result in vae.decode_stream(vae.encode_stream(padded_pieces())):
        video = waiting.popleft()
        yield video, _cropped(result, video)


def _pieces(frames: Iterable[np.ndarray], piece: int, temporal: int) -> Iterator[np.ndarray]:
    frames = iter(frames)
    wanted = dims.frames_of(piece, temporal)
    while video := list(itertools.islice(frames, wanted)):
        yield np.stack(video)
        wanted = piece * temporal


def _padded(video: np.ndarray, target: tuple[int, int, int]) -> np.ndarray:
    """uint8 ``[1, *target, 3]``, by repeating the last frame, row and column."""
    more = [(0, to - now) for to, now in zip(target, video.shape, strict=False)]
    return np.pad(video, [*more, (0, 0)], mode="edge")[None]


def _cropped(result: jax.Array, video: np.ndarray) -> np.ndarray:
    """The one clip of a batch of one, uint8, cut to the shape of ``video``."""
    frames, height, width = video.shape[:3]
    return np.asarray(pixels.to_uint8(result))[0, :frames, :height, :width]
