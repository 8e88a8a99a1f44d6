"""Public checkpoints of the baselines: a file in a published layout to our leaves, and back.

    file -> tree -> state dict -> names without wrapping -> each tensor once -> our leaves     (1)

Files are read without executing anything (pretrained/torch_files.py).  Wrappers and prefixes are
those that the reference implementations take off themselves.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from pv_vae_jax.core import storage, trees
from pv_vae_jax.pretrained import torch_files
from pv_vae_jax.zoo import torch_weights
from pv_vae_jax.zoo.baseline import Baseline, Fields
from pv_vae_jax.zoo.torch_weights import Entry

WRAPPERS = ("ema_state_dict", "state_dict", "gen_model", "model", "module")
PREFIXES = ("module.", "vae.", "first_stage_model.")
SHOWN = 3  # names of each kind of difference in a message

Shapes = Mapping[str, tuple[int, ...]]


def unwrapped(tree: Any) -> dict[str, np.ndarray]:
    """The state dict inside of a file's tree, names without the prefixes of wrappers.

    Raises:
      ValueError: there is none.
    """
    while isinstance(tree, Mapping):
        inner = [name for name in WRAPPERS if isinstance(tree.get(name), Mapping) and tree[name]]
        if not inner:
            break
        tree = tree[inner[0]]
    if not isinstance(tree, Mapping):
        raise ValueError(f"it holds {type(tree).__name__}, not tensors by name")
    found = {str(name): leaf for name, leaf in tree.items() if isinstance(leaf, np.ndarray)}
    if not found:
        some = ", ".join(map(str, list(tree)[:SHOWN])) or "nothing"
        raise ValueError(f"it holds no tensors by name, but: {some}")
    for prefix in PREFIXES:
        if any(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): leaf for name, leaf in found.items()}
    return found


def _entries(baseline: Baseline, fields: Fields) -> Iterator[tuple[str, list[Entry]]]:
    for layout, tensors in baseline.layouts.items():
        yield layout, list(tensors(fields))


def _faults(entries: Iterable[Entry], found: Shapes, leaves: Shapes) -> list[tuple[str, list[str]]]:
    """(kind of difference, names) of a file against a layout; empty if it fits."""
    wanted = {entry.key: entry.shape(leaves) for entry in entries}
    other = [
        f"{name} is {list(found[name])}, not {list(shape)}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    missing = [name for name in wanted if name not in found]
    surplus = [name for name in found if name not in wanted]
    kinds = (("missing", missing), ("surplus", surplus), ("of another shape", other))
    return [(kind, names) for kind, names in kinds if names]


def _kept(baseline: Baseline, tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    dropped = re.compile("|".join(baseline.ignored) or r"(?!)")
    return {name: leaf.shape for name, leaf in tensors.items() if not dropped.match(name)}


def _shapes_of(leaves: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {path: tuple(leaf.shape) for path, leaf in leaves.items()}


def read(
    path: str | os.PathLike,
    name: str,
    fields: Fields,
    shapes: trees.Tree,
    baselines: Mapping[str, Baseline],
) -> dict[str, np.ndarray]:
    """Equation (1): our leaves by path, without those that no tensor stands for (padding tokens).

    Args:
      path: ``.safetensors``, or what torch.save wrote.
      name: of the baseline that it should be.
      fields: of the module.
      shapes: the module's parameters.
      baselines: all, to say which one the file looks like.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, or does not hold this model; one message names what is missing,
        surplus and of another shape.
    """
    tree = torch_files.read(path)
    try:
        tensors = unwrapped(tree)
    except ValueError as error:
        raise ValueError(f"{path} is no checkpoint of a video VAE: {error}.") from error
    if any(key.startswith("params/") for key in tensors):
        raise ValueError(f"{path} is an export of pv_vae_jax: load it alone, without a name.")
    baseline, leaves = baselines[name], _shapes_of(trees.flatten(shapes))
    found = _kept(baseline, tensors)
    layout, entries = max(
        _entries(baseline, fields), key=lambda it: len({e.key for e in it[1]} & set(found))
    )
    faults = _faults(entries, found, leaves)
    if faults:
        shown = "; ".join(
            f"{len(names)} {kind} ({', '.join(names[:SHOWN])}{', ...' if names[SHOWN:] else ''})"
            for kind, names in faults
        )
        raise ValueError(
            f"{path} does not hold {name}{_guess(tensors, name, baselines)}. "
            f"Against the {layout} layout of {name}: {shown}."
        )
    return torch_weights.ours_of(entries, tensors, leaves)


def _guess(tensors: Mapping[str, np.ndarray], name: str, baselines: Mapping[str, Baseline]) -> str:
    """Which baseline the names of a file are nearest to, as the rest of a sentence."""
    best, share = "", 0.0
    for other, baseline in baselines.items():
        found = _kept(baseline, tensors).keys()
        for layout, entries in _entries(baseline, baseline.fields):
            keys = {entry.key for entry in entries}
            common = len(keys & found) / len(keys | found)
            if common > share:
                best, share = f"{other} ({layout} layout)", common
    if share < 0.5:
        return " nor any other model that is known here"
    return f"; its names are those of {best}" if best.split(" ")[0] != name else ""


def write(
    path: str | os.PathLike,
    layout: str,
    baseline: Baseline,
    fields: Fields,
    params: trees.Tree,
) -> None:
    """The inverse of :func:`read`: a ``.safetensors`` under the names of the reference.

    Raises:
      ValueError: no such layout, or the name has another ending.
    """
    if layout not in baseline.layouts:
        raise ValueError(
            f"there is no layout {layout!r}; there are: {', '.join(baseline.layouts)}."
        )
    if not str(path).endswith(".safetensors"):
        raise ValueError(f"{path}: a layout of a reference is written as .safetensors.")
    leaves = {name: np.asarray(leaf) for name, leaf in trees.flatten(params).items()}
    found = torch_weights.theirs_of(baseline.layouts[layout](fields), leaves)
    with storage.whole(storage.path(path)) as partial:
        safetensors.numpy.save_file(found, partial, {"format": "pt"})
