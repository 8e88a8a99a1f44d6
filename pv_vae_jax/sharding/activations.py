"""Activations stay with their clips.

The partitioner sees a kernel split over ``data`` and clips split over ``data``, and may move the
activations (all-to-alls, gathers of whole feature maps) instead of the kernel.  Here every output
``[B, T, H, W, C]`` of a module is pinned: B over ``data``, the other axes left open, so that
channels may still be split over ``model``.  Modules know nothing of it: flax hands their calls to
an interceptor, which the step sets.  Inside ``jax.shard_map`` (split.py) everything lies where it
does already.
"""

import contextlib
from collections.abc import Iterator

import flax.linen as nn
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

OPEN = PartitionSpec.UNCONSTRAINED


@contextlib.contextmanager
def pinned(mesh: Mesh) -> Iterator[None]:
    """While a function is traced: 5-D outputs of modules keep their first axis over ``data``."""
    if mesh.size == 1:
        yield
        return
    sharding = NamedSharding(mesh, PartitionSpec("data", OPEN, OPEN, OPEN, OPEN))

    def pin(leaf):
        inside = jax.sharding.get_abstract_mesh().manual_axes  # of jax.shard_map
        if getattr(leaf, "ndim", 0) == 5 and not inside:
            return jax.lax.with_sharding_constraint(leaf, sharding)
        return leaf

    def interceptor(call, arguments, keywords, context):
        found = call(*arguments, **keywords)
        if not arguments and not keywords:  # parameters that a module holds for others: no clips
            return found
        return jax.tree.map(pin, found)

    with nn.intercept_methods(interceptor):
        yield
