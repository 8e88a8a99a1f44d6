"""A batch of a step as shapes with shardings: what an update is compiled for before it is there."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from pv_vae_jax.data.batch import Batch, LatentBatch
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.sharding import shapes


def _examples(count: int) -> dict[str, jax.ShapeDtypeStruct]:
    return {
        "index": jax.ShapeDtypeStruct((count,), jnp.uint32),
        "label": jax.ShapeDtypeStruct((count,), jnp.int32),
    }


def clips(mesh: Mesh, video: tuple[int, int, int, int], observed: tuple[int, int, int]) -> Batch:
    """A batch of clips: ``video`` is (B, T, H, W), ``observed`` (G, h, w) or (G, 1, 1)."""
    batch = Batch(
        video=jax.ShapeDtypeStruct((*video, 3), jnp.uint8),
        observed=jax.ShapeDtypeStruct((video[0], *observed), jnp.bool_),
        **_examples(video[0]),
    )
    return shapes.everywhere(batch, meshes.over_data(mesh))


def latents(mesh: Mesh, count: int, shape: tuple[int, ...], dtype: str) -> LatentBatch:
    """A batch of cached latents, each ``(G, h, w, c)``."""
    moments = jax.ShapeDtypeStruct((count, *shape), jnp.dtype(dtype))
    batch = LatentBatch(mean=moments, logvar=moments, **_examples(count))
    return shapes.everywhere(batch, meshes.over_data(mesh))
