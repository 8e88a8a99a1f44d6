"""Clips and networks on all devices of this host: a batch is split, parameters are whole."""

from typing import Any

import jax
import numpy as np

from pv_vae_jax.sharding import mesh as meshes


def devices() -> int:
    """How many there are."""
    return jax.local_device_count()


def rounded_up(batch: int) -> int:
    """The least multiple of the devices that is not less."""
    return -(-batch // devices()) * devices()


def split(clips: np.ndarray) -> jax.Array:
    """Clips ``[B, ...]`` with B a multiple of the devices, an equal part on each."""
    return meshes.put(meshes.over_data(_mesh()), clips)


def whole(tree: Any) -> Any:
    """Arrays, a copy on each device."""
    return meshes.put_replicated(_mesh(), tree)


def _mesh() -> jax.sharding.Mesh:
    return meshes.make_mesh(model=1, devices=jax.local_devices())
