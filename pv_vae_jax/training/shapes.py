"""Arguments of programs as shapes with shardings: what is compiled before it is there."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from pv_vae_jax.data.batch import Batch, LatentBatch
from pv_vae_jax.sharding import mesh as meshes


def bytes_on_one(tree: Any) -> int:
    """Of shapes with shardings, on one device."""
    return sum(
        int(np.prod(leaf.sharding.shard_shape(leaf.shape))) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(tree)
    )


def placed(shapes: Any, shardings: Any) -> Any:
    """Shapes with a sharding for each leaf."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        shardings,
    )


def everywhere(shapes: Any, sharding: NamedSharding) -> Any:
    """Shapes with one sharding for all leaves."""
    return placed(shapes, jax.tree.map(lambda _: sharding, shapes))


def _examples(count: int) -> dict[str, jax.ShapeDtypeStruct]:
    return {
        "index": jax.ShapeDtypeStruct((count,), jnp.uint32),
        "label": jax.ShapeDtypeStruct((count,), jnp.int32),
    }


def clips(mesh: Mesh, video: tuple[int, int, int, int], observed: tuple[int, int, int]) -> Batch:
    """A batch of clips: ``video`` is (B, T, H, W), ``observed`` (G, h, w) or (G, 1, 1)."""
    shapes = Batch(
        video=jax.ShapeDtypeStruct((*video, 3), jnp.uint8),
        observed=jax.ShapeDtypeStruct((video[0], *observed), jnp.bool_),
        **_examples(video[0]),
    )
    return everywhere(shapes, meshes.over_data(mesh))


def latents(mesh: Mesh, count: int, shape: tuple[int, ...], dtype: str) -> LatentBatch:
    """A batch of cached latents, each ``(G, h, w, c)``."""
    moments = jax.ShapeDtypeStruct((count, *shape), jnp.dtype(dtype))
    shapes = LatentBatch(mean=moments, logvar=moments, **_examples(count))
    return everywhere(shapes, meshes.over_data(mesh))
