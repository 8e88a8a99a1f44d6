"""The mesh of devices, and how arrays get onto it and off it.

    devices = data x model,   data or model inferred where it is 0                          (1)

``data`` splits clips (and parameters, where FSDP is on), ``model`` splits channels.  Devices are
laid out by what their network is: one slice of a TPU by its torus; several slices of TPUs, or
several hosts of anything else, as a hybrid mesh, in which one named axis crosses the slow network.
Axes are of type Auto: the partitioner decides what rules.py and activations.py leave open.
One device, simulated devices, many processes: the same code.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils, multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

AXES = ("data", "model")


def sizes(devices: int, data: int = 0, model: int = 1) -> tuple[int, int]:
    """Equation (1).

    Raises:
      ValueError: a size is negative, both are left out, or they do not fill the devices.
    """
    asked = f"runtime.mesh.data = {data}, runtime.mesh.model = {model}"
    if min(data, model) < 0 or not (data or model):
        raise ValueError(f"a mesh axis has at least 1 device, one of them may be 0; got {asked}.")
    known = data or model
    if not (data and model):
        data, model = data or devices // known, model or devices // known
    if data * model != devices:
        fits = ", ".join(str(n) for n in range(1, devices + 1) if devices % n == 0)
        raise ValueError(
            f"{asked} do not fill {devices} devices: their product is {devices}, each is one of "
            f"{fits}, or 0 for what the other leaves."
        )
    return data, model


def _islands(devices: Sequence[Any]) -> tuple[str, int]:
    """By which attribute the slow network divides the devices, and into how many parts."""
    name = "slice_index" if devices[0].platform == "tpu" else "process_index"
    return name, len({getattr(device, name, 0) for device in devices})


def arrange(devices: Sequence[Any], data: int = 0, model: int = 1, slow: str = "data"):
    """Devices as an array ``[data, model]``.

    Raises:
      ValueError: as :func:`sizes`, ``slow`` is no axis, or it does not divide over the islands.
    """
    if slow not in AXES:
        raise ValueError(f"runtime.mesh.slow is one of {', '.join(AXES)}; got {slow!r}.")
    devices = sorted(devices, key=lambda device: (device.process_index, device.id))
    shape = sizes(len(devices), data, model)
    name, islands = _islands(devices)
    if islands == 1:
        return mesh_utils.create_device_mesh(shape, devices, allow_split_physical_axes=True)
    axis = AXES.index(slow)
    if shape[axis] % islands:
        what = "slices" if name == "slice_index" else "hosts"
        raise ValueError(
            f"the axis {slow} (runtime.mesh.slow) has {shape[axis]} parts, which do not divide "
            f"over {islands} {what} of {len(devices) // islands} devices: make it a multiple of "
            f"{islands}, or let the other axis cross the slow network."
        )
    outer = tuple(islands if i == axis else 1 for i in range(2))
    inner = tuple(size // parts for size, parts in zip(shape, outer, strict=True))
    return mesh_utils.create_hybrid_device_mesh(
        inner,
        outer,
        devices,
        process_is_granule=name == "process_index",
        allow_split_physical_axes=True,
    )


def make_mesh(
    data: int = 0, model: int = 1, slow: str = "data", devices: Sequence[Any] | None = None
) -> Mesh:
    """The mesh ``data x model`` of all devices of all hosts, or of those given.

    Args:
      data: size of the axis; 0 for what ``model`` leaves.
      model: likewise.
      slow: the axis that crosses slices or hosts, where there are several.
      devices: a part of them, or those of a topology that is not here (compilation ahead of time).

    Raises:
      ValueError: as :func:`arrange`.
    """
    devices = jax.devices() if devices is None else list(devices)
    return Mesh(arrange(devices, data, model, slow), AXES, axis_types=(AxisType.Auto,) * 2)


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


def data_part(mesh: Mesh, process: int | None = None) -> tuple[int, int]:
    """Which part of each batch a process reads, and of how many parts.

    Processes whose devices hold the same rows (``model`` crosses hosts) read the same part.

    Raises:
      ValueError: two processes share some of their rows only.
    """
    process = jax.process_index() if process is None else process
    held: dict[int, set[int]] = {}
    for row, devices in enumerate(mesh.devices):
        for device in devices:
            held.setdefault(device.process_index, set()).add(row)
    parts = sorted({tuple(sorted(rows)) for rows in held.values()})
    if sum(map(len, parts)) != mesh.shape["data"] or len({len(part) for part in parts}) != 1:
        raise ValueError(
            f"a mesh of data {mesh.shape['data']} x model {mesh.shape['model']} gives "
            f"{len(held)} processes overlapping rows of the batch: make runtime.mesh.model a "
            "multiple or a divisor of the devices of a host."
        )
    return parts.index(tuple(sorted(held[process]))), len(parts)


def put(shardings: Any, tree: Any) -> Any:
    """Arrays that are the same on every host, each device getting its part.

    Args:
      shardings: one, or a tree of them of the structure of ``tree``.
      tree: arrays of the host or of one device.
    """

    def one(leaf, sharding):
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    if isinstance(shardings, jax.sharding.Sharding):
        return jax.tree.map(lambda leaf: one(leaf, shardings), tree)
    return jax.tree.map(one, tree, shardings)


def put_replicated(mesh: Mesh, tree):
    """Arrays that are the same on every host, whole onto every device."""
    return put(replicated(mesh), tree)


def put_batch(mesh: Mesh, tree):
    """This process's part of a global batch (:func:`data_part`), onto its devices."""
    sharding = over_data(mesh)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), tree
    )


def to_host(tree):
    """Whole arrays in this host's memory.

    All processes must call it together: what is split over hosts is gathered.
    """

    def one(leaf):
        if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable or leaf.is_fully_replicated:
            return jax.device_get(leaf)
        return multihost_utils.process_allgather(leaf, tiled=True)

    return jax.tree.map(one, tree)
