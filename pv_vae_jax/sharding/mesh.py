"""The mesh of devices: the only place that knows one.

Axes: ``data`` (clips) and ``model`` (of size 1 for now).  Parameters are replicated, batches are
split over ``data``; each host puts in the rows of the global batch that its own devices hold.
"""

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXES = ("data", "model")


def make_mesh() -> Mesh:
    """A mesh of all devices of all hosts along ``data``, ordered by host."""
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(devices).reshape(-1, 1), AXES)


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole."""
    return NamedSharding(mesh, PartitionSpec())


def over_data(mesh: Mesh) -> NamedSharding:
    """The first axis is split over ``data``."""
    return NamedSharding(mesh, PartitionSpec("data"))


def check_batch(mesh: Mesh, batch: int, accumulate: int) -> None:
    """Raises ValueError if a global batch does not divide over micro-batches and devices."""
    devices = mesh.shape["data"]
    if batch % (devices * accumulate):
        step = devices * accumulate
        raise ValueError(
            f"a global batch of {batch} clips does not divide over {devices} devices x "
            f"{accumulate} micro-batches; the nearest that do are "
            f"{max(step, batch // step * step)} and {(batch // step + 1) * step}."
        )


def put_replicated(mesh: Mesh, tree):
    """Arrays that are the same on every host, onto every device."""
    sharding = replicated(mesh)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), tree
    )


def put_batch(mesh: Mesh, tree):
    """This host's rows of a global batch, onto its devices."""
    sharding = over_data(mesh)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), tree
    )
