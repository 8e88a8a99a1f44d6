"""A loaded model that encodes and decodes large frames in tiles, one after the other.

    exact      encoder   tiles of pixels -> high -> features, whole -> low -> latents
               decoder   latents -> low -> features, whole -> high, in tiles -> pixels      (1)
    blended    encoder and decoder in tiles from end to end

    vae = pv.tile(pv.load(path), 256, 256)                 # or blended=True, for any model
    z = vae.encode(video)

(1) needs a model that says which part of it sees surroundings alone, and how far: see
convolutional.py.  Attention is in ``low``, so it is of whole frames.  In a stream each tile has a
cache of its own.  What is whole, and the caches of tiles, lie in the memory of the host; the device
sees one tile at a time, and the features of ``low``.
"""

import functools
import itertools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import pixels
from pv_vae_jax.interface import Posterior
from pv_vae_jax.models import streaming, tiling
from pv_vae_jax.models.tiling import Tiling
from pv_vae_jax.models.video_vae import VideoVAE, apply, check_pixels


def least_overlap(module: nn.Module) -> int:
    """Latents that neighbouring tiles share at least, so that the result is that of whole frames.

    Raises:
      ValueError: the model has no exact tiles; the message says why.
    """
    halves = module.encoder, module.decoder
    if all(hasattr(half, "reach") for half in halves):
        return max(sum(half.reach) for half in halves)
    norms = _norms_of_whole_frames(module)
    reason = (
        f"its norms ({', '.join(norms)}) take their statistics from whole frames"
        if norms
        else "it does not say which part of it needs whole frames (attention does)"
    )
    raise ValueError(
        f"this model has no tiles that give the result of whole frames: {reason}. Blend its tiles "
        "(blended = True, --blend), which has seams."
    )


def _norms_of_whole_frames(module: nn.Module) -> list[str]:
    found: set[str] = set()

    def interceptor(call, arguments, keywords, context):
        if getattr(context.module, "whole_frame", False):
            found.add(type(context.module).__name__)
        return call(*arguments, **keywords)

    side = module.spec.spatial
    clip = jnp.zeros((1, 1 + module.spec.temporal, side, side, 3))
    with nn.intercept_methods(interceptor):
        jax.eval_shape(module.init, jax.random.key(0), clip)
    return sorted(found)


class TiledVAE(VideoVAE):
    """A :class:`VideoVAE` whose frames are tiled; made by :func:`tile`."""

    def __init__(self, vae: VideoVAE, tiles: Tiling):
        super().__init__(vae.module, vae.params, vae.mean, vae.std, vae.config)
        least = 0 if tiles.blended else least_overlap(vae.module)
        self.tiles = tiles
        self._form = tiles.in_latents(self.spec.spatial, least)

    def posterior(self, video: Any) -> Posterior:
        """The raw posterior of ``video [B, T, H, W, 3]``."""
        video = self._ready(video)
        self.spec.latent_shape(*video.shape[1:4])
        return self._run("posterior", video, _whole)[0]

    def _decoded(self, raw: jax.Array) -> np.ndarray:
        self.spec.check_length(raw.shape[1])
        return self._run("decode_raw", raw, _whole)[0]

    @staticmethod
    def _ready(video: Any) -> np.ndarray:
        check_pixels(video)
        return np.asarray(video)

    def _step(self, module, method, params, cache, chunk) -> tuple[Any, dict]:
        return self._run(method, chunk, streaming.step, cache)

    def _run(self, method: str, x: Any, run: Any, cache: dict | None = None) -> tuple[Any, dict]:
        """``method`` of ``x`` and what is kept for the next chunk; ``run`` is for one tile."""
        cache = cache or {}
        if self.tiles.blended:
            return self._in_tiles(method, x, run, cache)
        if method != "decode_raw":
            features, kept = self._in_tiles("encode_high", x, run, cache)
            found, low = self._low("encode_low", features, run, cache)
        else:
            features, low = self._low("decode_low", x, run, cache)
            found, kept = self._in_tiles("decode_high", features, run, cache)
        return found, kept | {"low": low}

    def _low(self, method: str, x: Any, run: Any, cache: dict) -> tuple[Any, Any]:
        return run(self.module, method, self.params, cache.get("low"), jnp.asarray(x))

    def _in_tiles(self, method: str, x: Any, run: Any, cache: dict) -> tuple[Any, dict]:
        """Equation (1) of tiling.py: ``[B, n, H, W, C]`` of pixels, or of latents."""
        encoder, side = not method.startswith("decode"), self.spec.spatial
        into, out = (side, 1) if encoder else (1, side)  # rows of a latent
        x = np.asarray(x)
        sizes = [rows // into for rows in x.shape[2:4]]
        axes = [self._pieces(size, axis, encoder, out) for axis, size in enumerate(sizes)]
        whole, kept = None, {}
        for place in itertools.product(*axes):
            corner = tuple(start for start, _ in place)
            inside, target = (
                tuple(
                    slice(start * scale, start * scale + len(weights) // out * scale)
                    for start, weights in place
                )
                for scale in (into, out)
            )
            part = _on_device(x[:, :, *inside])
            found = run(self.module, method, self.params, cache.get(corner), part)
            part, kept[corner] = jax.device_get(found)
            if whole is None:
                whole = jax.tree.map(lambda leaf: _empty(leaf, [n * out for n in sizes]), part)
            weights = np.outer(place[0][1], place[1][1])[None, None, :, :, None]
            views = jax.tree.map(lambda leaf, at=target: leaf[:, :, *at], whole)
            jax.tree.map(functools.partial(_add, weights), views, part)
        return whole, kept

    def _pieces(self, size: int, axis: int, encoder: bool, scale: int) -> tiling.Pieces:
        side, overlap = self._form[axis], self._form[2]
        if self.tiles.blended:
            return tiling.blended(size, side, overlap, scale)
        half = self.module.encoder if encoder else self.module.decoder
        return tiling.exact(size, side, overlap, half.reach[0], scale)


def _whole(module: nn.Module, method: str, params, cache: None, x: jax.Array):
    """As :func:`streaming.step`, for what is not a stream."""
    return apply(module, method, params, x), None


def _on_device(part: np.ndarray) -> jax.Array:
    part = jnp.asarray(part)
    return pixels.to_float(part) if part.dtype == jnp.uint8 else part


def _empty(leaf: np.ndarray, sizes: list[int]) -> np.ndarray:
    return np.zeros((*leaf.shape[:2], *sizes, leaf.shape[-1]), leaf.dtype)


def _add(weights: np.ndarray, to: np.ndarray, part: np.ndarray) -> None:
    to += (part.astype(np.float32) * weights).astype(part.dtype)


def tile(
    vae: VideoVAE, rows: int, columns: int, overlap: int | None = None, blended: bool = False
) -> TiledVAE:
    """A model that encodes and decodes its frames in tiles, in a fraction of the memory.

    Args:
      vae: a model.
      rows: of pixels that it sees at once, a multiple of its spatial factor.
      columns: the same.
      overlap: pixels that neighbouring tiles share; None for the least that is exact, or, blended,
        for a quarter of the smaller side.
      blended: cheaper and for any model, but with seams; otherwise the results are those of whole
        frames (to rounding, 1e-5).

    Raises:
      ValueError: the sizes do not fit, the model has no exact tiles, or is split over devices.
    """
    if type(vae) is not VideoVAE:
        raise ValueError("this model is tiled, or its clips are split, already: do either once.")
    return TiledVAE(vae, Tiling(rows, columns, overlap, blended))
