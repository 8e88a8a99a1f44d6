"""LPIPS, version 0.1: how different two frames look to a frozen network.

    u_l(x)   = f_l / (|f_l| + 1e-10),    f_l = features of level l at (x - SHIFT) / SCALE   (1)
    d(x, y)  = sum_l mean_{h w} sum_c w_lc (u_lc(x) - u_lc(y))^2                            (2)
    dL/dx_bt = dL/dd_bt  grad_x d(x_bt, y_bt)                                               (3)

Frames are in [-1, 1], |f_l| is over channels, w are the heads.  A frame's value depends on that
frame alone, so (3) is exact with gradients that were computed beside the values, ``chunk`` frames
at a time: memory does not grow with the clip, and nothing is computed twice.
Reference: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018, and the package ``lpips``, whose values these are.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from pv_vae_jax.core import pixels, trees
from pv_vae_jax.pretrained import alexnet, vgg16, weights

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
EPSILON = 1e-10
NETWORKS = {"vgg16": vgg16.VGG16(), "alexnet": alexnet.AlexNet()}


def _unit(features: jax.Array) -> jax.Array:
    """Equation (1); finite gradients where the norm is 0."""
    square = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
    return features / (jnp.sqrt(jnp.where(square > 0, square, 1.0)) + EPSILON)


def _features(network: nn.Module, params: Any, frames: jax.Array) -> list[jax.Array]:
    shift, scale = (jnp.asarray(v, jnp.float32).reshape(1, 1, 1, 3) for v in (SHIFT, SCALE))
    scaled = (frames.astype(jnp.float32) - shift) / scale
    return [_unit(f) for f in network.apply({"params": params["backbone"]}, scaled)]


def _between(network: nn.Module, params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    """Equation (2) of frames ``[N, H, W, 3]``: ``[N]``."""
    pairs = zip(_features(network, params, x), _features(network, params, y), strict=True)
    return sum(
        jnp.mean(jnp.square(one - other) @ params["heads"][str(level)], axis=(1, 2))
        for level, (one, other) in enumerate(pairs, start=1)
    )


def _in_chunks(function: Callable, chunk: int, *clips: jax.Array) -> Any:
    """``function`` of frames ``[N, H, W, 3]``, for all frames of clips ``[B, T, H, W, 3]``.

    A chunk has some frames of every clip, or of every so many clips: clips that lie on several
    devices stay there, and all devices work on each chunk.
    """
    b, t = clips[0].shape[:2]
    clip_parts = -(-b // chunk)
    rows = -(-b // clip_parts)
    time_parts = -(-t // max(1, chunk // rows))
    size = -(-t // time_parts)
    parts = clip_parts * time_parts

    def split(clip):
        pads = [(0, rows * clip_parts - b), (0, size * time_parts - t)]
        clip = jnp.pad(clip, pads + [(0, 0)] * (clip.ndim - 2))
        clip = clip.reshape(rows, clip_parts, time_parts, size, *clip.shape[2:])
        clip = jnp.moveaxis(clip, (1, 2), (0, 1))
        return clip.reshape(parts, rows * size, *clip.shape[4:])

    def join(results):
        results = results.reshape(clip_parts, time_parts, rows, size, *results.shape[2:])
        results = jnp.moveaxis(results, (0, 1), (1, 2))
        return results.reshape(rows * clip_parts, time_parts * size, *results.shape[4:])[:b, :t]

    if parts == 1:
        results = function(*(split(clip)[0] for clip in clips))
        return jax.tree.map(lambda r: join(r[None]), results)
    results = jax.lax.map(lambda frames: function(*frames), tuple(map(split, clips)))
    return jax.tree.map(join, results)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _distance(
    network: nn.Module, chunk: int, params: Any, video: jax.Array, target: jax.Array
) -> jax.Array:
    return _in_chunks(functools.partial(_between, network, params), chunk, video, target)


def _forward(network, chunk, params, video, target):
    def with_gradients(x, y):
        values, back = jax.vjp(lambda x: _between(network, params, x, y), x)
        return values, back(jnp.ones_like(values))[0]

    return _in_chunks(with_gradients, chunk, video, target)


def _backward(network, chunk, gradients, cotangent):
    return None, cotangent[:, :, None, None, None].astype(gradients.dtype) * gradients, None


_distance.defvjp(_forward, _backward)


@struct.dataclass
class LPIPS:
    """LPIPS with its weights, which are constants: a pytree, so it may also be an argument.

    Attributes:
      params: ``backbone`` (the network's), ``heads`` (level to ``[C]``), float32.
      network: VGG16 or AlexNet.
      chunk: how many frames are looked at together, on all devices.
    """

    params: Any
    network: nn.Module = struct.field(pytree_node=False)
    chunk: int = struct.field(pytree_node=False, default=16)

    def on(self, devices: int) -> "LPIPS":
        """The same with :attr:`chunk` frames on each of so many devices."""
        return self.replace(chunk=self.chunk * devices)

    def __call__(self, video: jax.Array, target: jax.Array) -> jax.Array:
        """Equation (2) of each frame; differentiable in ``video`` alone, once.

        Args:
          video: ``[B, T, H, W, 3]``, in [-1, 1].
          target: of the same shape.

        Returns:
          float32 ``[B, T]``, at least 0.

        Raises:
          ValueError: unequal shapes, or frames too small for the network.
        """
        if video.shape != target.shape:
            raise ValueError(f"LPIPS compares equal shapes, got {video.shape} and {target.shape}.")
        least, (height, width) = self.network.least, video.shape[2:4]
        if min(height, width) < least:
            name = type(self.network).__name__
            raise ValueError(
                f"LPIPS on {name} wants frames of {least}x{least} or more, got {height}x{width}."
            )
        return _distance(self.network, self.chunk, self.params, video, target)

    def of_some(
        self,
        video: jax.Array,
        target: jax.Array,
        key: jax.Array,
        examples: jax.Array,
        count: int,
    ) -> tuple[jax.Array, jax.Array]:
        """Equation (2) of ``count`` random frames of each clip.

        Args:
          video: see :meth:`__call__`, as ``target``.
          target: clips.
          key: the key of (stream, step).
          examples: global example indices, uint32 ``[B]``.
          count: frames of a clip; 0, or T and more, means all.

        Returns:
          (values ``[B, T]``, 0 where not drawn; bool ``[B, T]``, which were drawn).
        """
        frames = video.shape[1]
        if not 0 < count < frames:
            return self(video, target), jnp.ones(video.shape[:2], bool)
        drawn = draw_frames(key, examples, frames, count)
        chosen = drawn[:, :, None, None, None]
        values = self(
            jnp.take_along_axis(video, chosen, axis=1), jnp.take_along_axis(target, chosen, axis=1)
        )
        which = drawn[:, :, None] == jnp.arange(frames)[None, None, :]  # [B, count, T]
        return jnp.sum(jnp.where(which, values[:, :, None], 0.0), axis=1), jnp.any(which, axis=1)


@jax.jit
def _of_clips(lpips: LPIPS, original: jax.Array, result: jax.Array) -> jax.Array:
    with jax.default_matmul_precision("highest"):
        return jnp.mean(lpips(pixels.to_float(result), pixels.to_float(original)), axis=1)


def of_clips(lpips: LPIPS, original: Any, result: Any) -> np.ndarray:
    """Means over the frames of clips uint8 ``[B, T, H, W, 3]``: float64 ``[B]``, for evaluation.

    In full float32, as the other judges, also where a device's default is less.
    """
    return np.asarray(_of_clips(lpips, original, result), np.float64)


def draw_frames(key: jax.Array, examples: jax.Array, frames: int, count: int) -> jax.Array:
    """Different frame numbers in order, int32 ``[B, count]``: a function of (key, example)."""

    def one(example):
        order = jax.random.permutation(jax.random.fold_in(key, example), frames)
        return jnp.sort(order[:count]).astype(jnp.int32)

    return jax.vmap(one)(examples.astype(jnp.uint32))


def load(backbone: str, chunk: int = 16, files: Sequence[str] = ()) -> LPIPS:
    """LPIPS on a network, with its weights by name.

    Args:
      backbone: vgg16 or alexnet.
      chunk: see :class:`LPIPS`.
      files: a user's own weights (pretrained/weights.py), instead of the cache's.

    Raises:
      ValueError: another network, or files that are refused.
      FileNotFoundError: the weights are neither in the cache nor to be fetched.
    """
    if backbone not in NETWORKS:
        raise ValueError(f"LPIPS has the backbones {', '.join(NETWORKS)}; got {backbone!r}.")
    arrays = weights.get(f"lpips_{backbone}", files)
    params = trees.unflatten({path: jnp.asarray(value) for path, value in arrays.items()})
    return LPIPS(params, NETWORKS[backbone], chunk)
