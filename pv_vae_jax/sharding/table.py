"""The table of a train state: path, shape, type, partition, bytes on each device; totals.

    bytes on a device = size of one element * product of the shard's shape                  (1)

The roles of its rows are the fields of the state: parameters, EMA, slots, discriminator, counters.
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from pv_vae_jax.sharding.rules import parameter_of

# Totals are named so; every other field of a state is one of "counters".
ROLES = {"params": "parameters", "ema": "EMA", "slots": "slots", "adversary": "discriminator"}
LARGEST = 10


@dataclasses.dataclass(frozen=True)
class Row:
    """One leaf; ``whole`` and ``on_device`` are bytes."""

    role: str
    path: str
    shape: tuple[int, ...]
    dtype: str
    partition: str
    whole: int
    on_device: int


def _partition(spec, rank: int) -> str:
    axes = [*spec, *[None] * (rank - len(spec))]
    return "whole" if not any(axes) else ",".join(str(axis or "-") for axis in axes)


def rows(tree: Any, shardings: Any) -> list[Row]:
    """A row for each leaf, in the order of the tree; (1).

    Args:
      tree: arrays or ``jax.ShapeDtypeStruct``.
      shardings: of its structure (rules.py).
    """
    found = []
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    for (path, leaf), sharding in zip(leaves, jax.tree.leaves(shardings), strict=True):
        role, _ = parameter_of(path)
        size = np.dtype(leaf.dtype).itemsize
        found.append(
            Row(
                ROLES.get(role, "counters"),
                jax.tree_util.keystr(path, simple=True, separator="/"),
                tuple(leaf.shape),
                str(leaf.dtype),
                _partition(sharding.spec, len(leaf.shape)),
                size * int(np.prod(leaf.shape)),
                size * int(np.prod(sharding.shard_shape(tuple(leaf.shape)))),
            )
        )
    return found


def totals(found: list[Row]) -> dict[str, tuple[int, int]]:
    """(bytes of the whole, bytes on a device) of each role, and of "all"."""
    sums = {role: [0, 0] for role in (*ROLES.values(), "counters", "all")}
    for row in found:
        for role in (row.role, "all"):
            sums[role][0] += row.whole
            sums[role][1] += row.on_device
    return {role: (whole, here) for role, (whole, here) in sums.items() if whole or role == "all"}


def _lines(found: list[Row]) -> list[str]:
    cells = [("path", "shape", "type", "partition", "bytes on a device")]
    for row in found:
        shape = "x".join(map(str, row.shape)) or "1"
        cells.append((row.path, shape, row.dtype, row.partition, f"{row.on_device:,}"))
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        f"{path:<{width[0]}}  {shape:>{width[1]}}  {dtype:<{width[2]}}  "
        f"{partition:<{width[3]}}  {size:>{width[4]}}"
        for path, shape, dtype, partition, size in cells
    ]


def _sums(found: list[Row]) -> list[str]:
    return [
        f"{role:<14} {here / 2**20:>12,.2f} MiB on a device, {whole / 2**20:>12,.2f} MiB in all"
        for role, (whole, here) in totals(found).items()
    ]


def text(found: list[Row]) -> str:
    """Every row, then the totals."""
    return "\n".join([*_lines(found), "", *_sums(found)])


def short(found: list[Row]) -> str:
    """The totals, then the largest parameters."""
    params = [row for row in found if row.role == "parameters"]
    most = sorted(params, key=lambda row: -row.whole)[:LARGEST]
    return "\n".join([*_sums(found), f"the largest of {len(params)} parameters:", *_lines(most)])
