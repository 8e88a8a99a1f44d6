"""Arrays as shapes with shardings: what is compiled or restored before it is there."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Sharding


def placed(tree: Any, shardings: Any) -> Any:
    """Shapes and types of a tree of arrays or shapes, with a sharding for each leaf."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
        shardings,
    )


def everywhere(tree: Any, sharding: Sharding) -> Any:
    """Shapes and types of a tree of arrays or shapes, with one sharding for all leaves."""
    return placed(tree, jax.tree.map(lambda _: sharding, tree))


def of(arrays: Any) -> Any:
    """Shapes and types of arrays on devices, where they lie."""
    return placed(arrays, jax.tree.map(lambda leaf: leaf.sharding, arrays))


def bytes_on_one(tree: Any) -> int:
    """Of shapes with shardings, on one device."""
    return sum(
        int(np.prod(leaf.sharding.shard_shape(leaf.shape))) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(tree)
    )
