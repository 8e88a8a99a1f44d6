"""Long videos through a model that takes whole clips alone: overlapping tiles in time, blended.

    tile_i        = the steps s i to s i + n, both included; from i = 1 on without its first    (1)
    tile_i[j]     = (1 - j / o) tile_{i-1}[j - o] + j / o tile_i[j]       for j < o = n - s     (2)
    the whole     = of each tile s steps, of tile 0 one more

n is a number of latent steps, s = 3/4 n.  The encoder's tiles are of frames (1 + p n of them) and
blended as latents, the decoder's are of those latents and blended as frames, where the o of (2) is
p times as many.  A video of no more than 1 + p n frames is one tile, and exact.
Reference: the temporal tiles of HunyuanVideo's VAE, n = 16 in the official code, 4 in diffusers.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.models.video_vae import VideoVAE

Chunks = Iterable[np.ndarray]


def encode(vae: VideoVAE, video: Chunks, tile: int) -> Iterator[jax.Array]:
    """Latents of a video, in memory that does not grow.

    Args:
      vae: the model.
      video: uint8 ``[B, any, H, W, 3]``, 1 + p N frames in all.
      tile: n of equation (1), a multiple of 4.

    Yields:
      Normalised ``[B, s, h, w, c]``, more in the first and fewer in the last.
    """
    p, stride = vae.spec.temporal, tile * 3 // 4
    return blended(vae.encode, video, p * tile, p * stride, tile - stride, stride)


def decode(vae: VideoVAE, latents: Chunks, tile: int) -> Iterator[jax.Array]:
    """Video of normalised latents ``[B, any, h, w, c]``, in memory that does not grow.

    Yields:
      Float32 ``[B, p s, H, W, 3]`` in [-1, 1], more in the first and fewer in the last.
    """
    p, stride = vae.spec.temporal, tile * 3 // 4
    function = functools.partial(vae.decode, clamp=False)  # blended first, then clamped
    for video in blended(function, latents, tile, stride, p * (tile - stride), p * stride):
        yield jnp.clip(video, -1, 1)


def blended(
    function: Callable[[np.ndarray], jax.Array],
    chunks: Chunks,
    length: int,
    stride: int,
    overlap: int,
    kept: int,
) -> Iterator[jax.Array]:
    """Equations (1) and (2) for one half of the model.

    Args:
      function: a tile ``[B, steps, ...]`` to its result ``[B, steps, ...]``.
      chunks: ``[B, any, ...]``.
      length: n of (1), in steps that come in.
      stride: s of (1), in steps that come in.
      overlap: o of (2), in steps that go out.
      kept: s of (1), in steps that go out.

    Yields:
      ``[B, kept, ...]``, one step more in the first and fewer in the last.
    """
    before = None
    for window in _windows(chunks, length, stride):
        tile = function(np.stack(window, axis=1))
        if before is None:
            yield tile[:, : kept + 1]
        else:
            tile = tile[:, 1:]
            edge = _blend(before[:, -overlap:], tile[:, :overlap])
            tile = jnp.concatenate([edge, tile[:, overlap:]], axis=1)
            yield tile[:, :kept]
        before = tile


def _windows(chunks: Chunks, length: int, stride: int) -> Iterator[list[np.ndarray]]:
    """Equation (1): up to ``length + 1`` steps, as long as they are more than the one left out."""
    steps = (step for chunk in chunks for step in np.moveaxis(np.asarray(chunk), 1, 0))
    window = list(itertools.islice(steps, length + 1))
    yield window
    while len(window) > stride + 1:
        window = window[stride:] + list(itertools.islice(steps, stride))
        if len(window) > 1:
            yield window


def _blend(before: jax.Array, after: jax.Array) -> jax.Array:
    """Equation (2) of two ``[B, o, ...]``; fewer where the last tile is short."""
    count = min(before.shape[1], after.shape[1])
    weight = jnp.arange(count) / count
    weight = weight.reshape(1, -1, *[1] * (after.ndim - 2))
    return (1 - weight) * before[:, -count:] + weight * after[:, :count]
