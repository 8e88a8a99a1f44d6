"""What a layer reads beside its part of a clip comes from the devices that hold it.

    y[part i] = layer([end of part i - 1, part i, beginning of part i + 1])                 (1)

Modules know nothing of it: flax hands their calls to an interceptor, which fetches by ``ppermute``
just what the layer reads beyond its own part.

    rows    a layer says how many it reads by ``rows_around``; outside the frame stand the zeros
            that ``ppermute`` gives where nobody sends.  What attention calls ``whole_frames``, keys
            and values at the size of the latents, is gathered.
    time    a split clip is a stream whose chunks lie on different devices: a layer's cache
            (layers/causal_conv.py) comes from the device before, not from the chunk before.

In time every part has ``steps`` groups of as many frames, so group 0 is filled up in front.  Copies
of frame 0 stand there, which is what "replicate" means in every layer; for "zeros" they are zeroed
again before each layer.  Both interceptors are for the inside of ``jax.shard_map`` (split.py).
"""

import contextlib
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.core import trees


def rows(axis: str) -> contextlib.AbstractContextManager:
    """While a model is traced: its input is this device's part of the rows, split over ``axis``.

    Raises:
      ValueError: while tracing, if a part has fewer rows than a layer reads beside it.
    """

    def interceptor(call, arguments, keywords, context):
        module = context.module
        around = getattr(module, "rows_around", None)
        if around is None or context.method_name != "__call__":
            return call(*arguments, **keywords)
        if any(around):
            arguments = (_with_rows_around(module, *arguments, axis, around),)
            keywords = keywords | {"bordered": True}
        y = call(*arguments, **keywords)
        if module.name in getattr(module.parent, "whole_frames", ()):
            y = jax.lax.all_gather(y, axis, axis=2, tiled=True)
        return y

    return nn.intercept_methods(interceptor)


def _with_rows_around(module: nn.Module, x: jax.Array, axis: str, around: tuple[int, int]):
    height, devices = x.shape[2], jax.lax.axis_size(axis)
    if height < max(around):
        raise ValueError(
            f"{_name(module)} reads {max(around)} rows beside its own, but each of {devices} "
            f"devices has {height}: split the rows over fewer devices."
        )
    above, below = around
    ends = jax.lax.slice_in_dim(x, height - above, height, axis=2), x[:, :, :below]
    return jnp.concatenate([_from_before(ends[0], axis), x, _from_behind(ends[1], axis)], axis=2)


def _from_before(x: jax.Array, axis: str) -> jax.Array:
    """``x`` of the device before; zeros on the first."""
    return jax.lax.ppermute(x, axis, [(i, i + 1) for i in range(jax.lax.axis_size(axis) - 1)])


def _from_behind(x: jax.Array, axis: str) -> jax.Array:
    """``x`` of the next device; zeros on the last."""
    return jax.lax.ppermute(x, axis, [(i + 1, i) for i in range(jax.lax.axis_size(axis) - 1)])


def cache_of(module: nn.Module, variables: Any, part: jax.Array, method: str) -> trees.Tree:
    """The cache of a stream that has begun, for :func:`time`: its frames have no values yet.

    Args:
      module: a model that streams.
      variables: its parameters.
      part: this device's part of the clip.
      method: as of ``module.apply``.

    Raises:
      ValueError: a layer keeps something that the device before cannot send.
    """
    chunk = jax.ShapeDtypeStruct((part.shape[0], 1, *part.shape[2:]), part.dtype)
    step = functools.partial(module.apply, method=method, mutable=["cache"])
    shapes = jax.eval_shape(step, variables, chunk)[1].get("cache", {})
    for path, leaf in trees.flatten(shapes).items():
        if not path.endswith(("/frames", "/started")):
            raise ValueError(
                f"the layers of this model keep {path} {leaf.shape} in a stream, which no device "
                "has before the parts of the clip are done: split the rows instead."
            )
    return jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes)


def time(axis: str, steps: int) -> contextlib.AbstractContextManager:
    """While a model is traced, on :func:`cache_of`: its input is this device's part of the frames.

    Args:
      axis: that the frames are split over.
      steps: groups on each device.

    Raises:
      ValueError: while tracing, if a part has fewer frames than a layer reads before it.
    """

    def interceptor(call, arguments, keywords, context):
        module = context.module
        if context.method_name != "__call__" or not module.has_variable("cache", "frames"):
            return call(*arguments, **keywords)
        (x,) = arguments
        frames = module.get_variable("cache", "frames")
        x, count = x.astype(frames.dtype), frames.shape[1]
        x, before = _with_frames_before(module, x, axis, steps, count)
        module.put_variable("cache", "frames", before)
        return call(x, **keywords)

    return nn.intercept_methods(interceptor)


def _with_frames_before(module: nn.Module, x: jax.Array, axis: str, steps: int, count: int):
    """(``x``, the ``count`` frames before it); on the first device by the layer's padding."""
    if x.shape[1] < count:
        raise ValueError(
            f"{_name(module)} reads {count} frames before its own, but each of "
            f"{jax.lax.axis_size(axis)} devices has {x.shape[1]} of them ({steps} latent steps): "
            "split the time over fewer devices, or take a longer clip."
        )
    first = jax.lax.axis_index(axis) == 0
    before = _from_before(x[:, -count:], axis)
    if module.time_padding == "replicate":
        return x, jnp.where(first, x[:, :1], before)
    filled = jnp.arange(x.shape[1]) < x.shape[1] // steps - 1  # in front of frame 0
    return jnp.where(first & filled[:, None, None, None], 0, x), before


def _name(module: nn.Module) -> str:
    return "the layer " + "/".join(module.path)
