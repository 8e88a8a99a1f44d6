"""A video of any length and size through a model of 1 + p n frames and multiples of s pixels.

    pad    repeat the last frame, the last row and the last column, up to the next valid form
    model  on the whole video, or piece by piece where it may be long
    crop   to what came in

Frames that are added at the end change nothing before them in a model that is causal in time.
Pieces, by ``spec.streaming``:

    exact              any (models/streaming.py): the result of the whole video
    reference_chunks   those of the reference implementation, whose result this is
    none               overlapping tiles, blended (tiles.py), of what the model cannot stream;
                       exact for 1 + p TILE frames and less
"""

import collections
import itertools
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from pv_vae_jax.core import dims, pixels
from pv_vae_jax.evaluation import tiles
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.models import streaming
from pv_vae_jax.models.video_vae import VideoVAE

PIECE = 5  # latent steps at once: 17 frames, a clip of the paper
TILE = 4  # of tiles.py, as many frames at once


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
    return cropped(vae.decode(vae.encode(whole)), video.shape)


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
    return cropped(vae.predict(seen, frames), video.shape)


def way(spec: LatentSpec, frames: int, tile: int = TILE) -> str:
    """How a video of ``frames`` frames runs: "whole", or by the table at the top of this file."""
    if spec.streaming != "none":
        return spec.streaming
    return "whole" if frames <= dims.frames_of(tile + 1, spec.temporal) else "blended"


def stream(
    vae: VideoVAE, frames: Iterable[np.ndarray], total: int, piece: int = PIECE, tile: int = TILE
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """:func:`reconstruct` for a video of any length, in memory that does not grow.

    Args:
      vae: the model.
      frames: uint8 ``[H, W, 3]``, one after the other.
      total: how many there are.
      piece: latent steps at once, where they are free; memory grows with it.
      tile: latent steps of a tile, a multiple of 4, where the model takes whole clips alone.

    Yields:
      Pieces of the video and of its reconstruction, uint8 ``[n, H, W, 3]``.
    """
    waiting: collections.deque[np.ndarray] = collections.deque()

    def noted() -> Iterator[np.ndarray]:
        for frame in itertools.islice(frames, total):
            waiting.append(frame)
            yield frame

    latents = encode(vae, noted(), total, piece, tile)
    for result in decode(vae, latents, total, tile):
        count = min(result.shape[1], len(waiting))  # a decoder that looks ahead is late
        if count:
            video = np.stack([waiting.popleft() for _ in range(count)])
            yield video, cropped(result, video.shape)


def encode(
    vae: VideoVAE, frames: Iterable[np.ndarray], total: int, piece: int = PIECE, tile: int = TILE
) -> Iterator[jax.Array]:
    """The latents of a video, padded as said above; arguments as :func:`stream`.

    Yields:
      Normalised ``[1, n, h, w, c]``.
    """
    spec = vae.spec
    length = dims.lengths_around(total, spec.temporal)[1]
    padded = _padded_frames(frames, length, spec)

    def chunk(count: int) -> np.ndarray:
        return np.concatenate(list(itertools.islice(padded, count)), axis=1)

    ways = way(spec, length, tile)
    if ways == "whole":
        yield vae.encode(chunk(length))
    elif ways == "blended" and not spec.encoder_causal:
        yield from tiles.encode(vae, padded, tile)
    else:
        first, *later = plan(spec, dims.groups_of(length, spec.temporal), piece)
        counts = [dims.frames_of(first, spec.temporal), *(spec.temporal * n for n in later)]
        yield from vae.encode_stream(map(chunk, counts))


def decode(
    vae: VideoVAE, latents: Iterable[np.ndarray], total: int, tile: int = TILE
) -> Iterator[jax.Array]:
    """The video of what :func:`encode` gave for ``total`` frames, in pieces of :func:`plan`.

    Yields:
      Float32 ``[1, n, H, W, 3]`` in [-1, 1], padding included; perhaps none of a piece.
    """
    ways = way(vae.spec, dims.lengths_around(total, vae.spec.temporal)[1], tile)
    if ways == "whole":
        yield vae.decode(np.concatenate([np.asarray(each) for each in latents], axis=1))
    elif ways == "blended":
        yield from tiles.decode(vae, latents, tile)
    else:
        yield from vae.decode_stream(latents)


def _padded_frames(
    frames: Iterable[np.ndarray], length: int, spec: LatentSpec
) -> Iterator[np.ndarray]:
    """``length`` frames uint8 ``[1, 1, H, W, 3]`` of valid size, the last one repeated."""
    given = False
    for frame in itertools.islice(frames, length):
        last = _padded(frame[None], padded_shape((1, *frame.shape), spec))
        length -= 1
        yield last
        given = True
    if length and not given:
        raise ValueError("a video has at least one frame, got none.")
    for _ in range(length):
        yield last


def plan(spec: LatentSpec, steps: int, piece: int = PIECE) -> list[int]:
    """Latent steps of each piece of a video of ``steps``."""
    if spec.streaming == "reference_chunks":
        return streaming.encoded_chunks(steps, spec.reference_chunk)
    whole, rest = divmod(steps, piece)
    return [piece] * whole + [rest] * (rest > 0)


def _padded(video: np.ndarray, target: tuple[int, int, int]) -> np.ndarray:
    """uint8 ``[1, *target, 3]``, by repeating the last frame, row and column."""
    more = [(0, to - now) for to, now in zip(target, video.shape, strict=False)]
    return np.pad(video, [*more, (0, 0)], mode="edge")[None]


def cropped(result: jax.Array, shape: tuple[int, ...]) -> np.ndarray:
    """The one clip of a batch of one, uint8, cut to ``shape = (T, H, W, ...)``."""
    frames, height, width = shape[:3]
    return pixels.eight_bits(result)[0, :frames, :height, :width]
