"""Parameter trees: paths, partitions, counts, digests, tables.

A tree is a nested dict of arrays (or of shapes); a path is its keys joined by "/", such as
``encoder/mid/attention/query/kernel``.  A partition is a regular expression on the path.
"""

import hashlib
import re
from typing import Any

import numpy as np
from flax import traverse_util

Tree = dict[str, Any]


def flatten(tree: Tree) -> dict[str, Any]:
    """``{"a": {"b": x}}`` to ``{"a/b": x}``, sorted by path; empty branches are dropped."""
    return dict(sorted(traverse_util.flatten_dict(tree, sep="/").items()))


def unflatten(flat: dict[str, Any]) -> Tree:
    """The inverse of :func:`flatten`."""
    return traverse_util.unflatten_dict(flat, sep="/")


def partition(tree: Tree, pattern: str) -> tuple[Tree, Tree]:
    """Splits a tree into (leaves whose path matches ``pattern``, the others).

    Raises:
      ValueError: nothing matches; the message names the top-level branches.
    """
    flat = flatten(tree)
    chosen = {path: leaf for path, leaf in flat.items() if re.search(pattern, path)}
    if not chosen:
        branches = ", ".join(sorted({path.split("/")[0] for path in flat}))
        raise ValueError(f"no parameter path matches {pattern!r}; the branches are: {branches}.")
    rest = {path: leaf for path, leaf in flat.items() if path not in chosen}
    return unflatten(chosen), unflatten(rest)


def merge(*trees: Tree) -> Tree:
    """One tree of all leaves; where a path stands in several, the last one counts."""
    flat: dict[str, Any] = {}
    for tree in trees:
        flat.update(flatten(tree))
    return unflatten(flat)


def count(tree: Tree) -> int:
    """Number of parameters."""
    return sum(int(np.prod(leaf.shape)) for leaf in flatten(tree).values())


def digest(tree: Tree) -> str:
    """sha256 of all leaves, by path: hexadecimal."""
    total = hashlib.sha256()
    for path, leaf in flatten(tree).items():
        total.update(f"{path}{leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes())
    return total.hexdigest()


def table(tree: Tree) -> str:
    """Path, shape, type and size of each leaf, and the total, as text."""
    rows = [
        (path, "x".join(map(str, leaf.shape)) or "1", str(leaf.dtype), f"{np.prod(leaf.shape):,}")
        for path, leaf in flatten(tree).items()
    ]
    rows.append(("total", "", "", f"{count(tree):,}"))
    width = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{path:<{width[0]}}  {shape:>{width[1]}}  {dtype:<{width[2]}}  {size:>{width[3]}}"
        for path, shape, dtype, size in rows
    )
