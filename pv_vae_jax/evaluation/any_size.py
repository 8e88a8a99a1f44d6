"""A video of any length and size through a model of 1 + p n frames and multiples of s pixels.

    pad    repeat the last frame, the last row and the last column, up to the next valid form
    model  on the whole video, or piece by piece where it may be long
    crop   to what came in

Frames that are added at the end change nothing before them in a model that is causal in time.
Pieces, by ``spec.streaming``:

    exact              any (models/streaming.py): the result of the whole video
    reference_chunks   those of the reference implementation, whose result this is
    none               clips of their own, with a seam at every PIECE latent steps
"""

import collections
import itertools
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from pv_vae_jax.core import dims, pixels
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.models import streaming
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
    vae: VideoVAE, frames: Iterable[np.ndarray], total: int, piece: int = PIECE
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """:func:`reconstruct` for a video of any length, in memory that does not grow.

    Args:
      vae: the model.
      frames: uint8 ``[H, W, 3]``, one after the other.
      total: how many there are.
      piece: latent steps at once, where they are free; memory grows with it.

    Yields:
      Pieces of the video and of its reconstruction, uint8 ``[n, H, W, 3]``.
    """
    spec, frames = vae.spec, iter(frames)
    if spec.streaming == "none":
        while video := list(itertools.islice(frames, dims.frames_of(piece, spec.temporal))):
            yield np.stack(video), reconstruct(vae, np.stack(video))
        return
    waiting: collections.deque[tuple[np.ndarray, int]] = collections.deque()

    def pieces() -> Iterator[np.ndarray]:
        for number, steps in enumerate(_plan(spec, total, piece)):
            wanted = steps * spec.temporal
            wanted -= (spec.temporal - 1) * (number == 0)
            if found := list(itertools.islice(frames, wanted)):
                video = np.stack(found)
                waiting.append((video, wanted))
                yield _padded(video, (wanted, *padded_shape(video.shape, spec)[1:]))

    made: list[np.ndarray] = []  # a decoder that looks ahead is late
    for result in vae.decode_stream(vae.encode_stream(pieces())):
        made.extend(np.asarray(pixels.to_uint8(result))[0])
        while waiting and len(made) >= waiting[0][1]:
            video, count = waiting.popleft()
            height, width = video.shape[1:3]
            yield video, np.stack(made[: len(video)])[:, :height, :width]
            del made[:count]


def _plan(spec: LatentSpec, total: int, piece: int) -> list[int]:
    """Latent steps of the pieces of ``total`` frames."""
    steps = dims.groups_of(dims.lengths_around(total, spec.temporal)[1], spec.temporal)
    if spec.streaming == "reference_chunks":
        return streaming.encoded_chunks(steps, spec.reference_chunk)
    whole, rest = divmod(steps, piece)
    return [piece] * whole + [rest] * (rest > 0)


def _padded(video: np.ndarray, target: tuple[int, int, int]) -> np.ndarray:
    """uint8 ``[1, *target, 3]``, by repeating the last frame, row and column."""
    more = [(0, to - now) for to, now in zip(target, video.shape, strict=False)]
    return np.pad(video, [*more, (0, 0)], mode="edge")[None]


def _cropped(result: jax.Array, video: np.ndarray) -> np.ndarray:
    """The one clip of a batch of one, uint8, cut to the shape of ``video``."""
    frames, height, width = video.shape[:3]
    return np.asarray(pixels.to_uint8(result))[0, :frames, :height, :width]
