"""Where each leaf of a tree lies: rules on paths, and FSDP.

A rule is (regular expression on the parameter's path, partition); the first that matches decides.
A partition names mesh axes for the *last* axes of a leaf (None: not split), so that one rule
serves kernels ``[..., input, output]`` of any rank:

    ("model",)          splits the outputs: column-parallel, and the bias of such a layer
    ("model", None)     splits the inputs: row-parallel, its sum is one all-reduce

EMA and optimiser slots follow their parameter by its path; the discriminator's paths begin with
``discriminator/``.  A leaf of another shape than its parameter (a factored slot) stays whole.

FSDP splits, over ``data``, the largest axis that divides and that no rule has taken, the first of
equals (of a square kernel its inputs, so that the lanes of a TPU's tiles stay full), of each leaf
with at least ``LEAST`` elements.  Which axis makes no difference to the collectives, since
activations are pinned to their clips (activations.py): a parameter is gathered where it is used.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pv_vae_jax.sharding.mesh import AXES

Rule = tuple[str, Sequence[str | None]]

LEAST = 2**16
OTHER = "discriminator/"  # its rules count only where a tree has a discriminator
COLUMN, ROW = ("model",), ("model", None)

# Of the CNN, of Transformer blocks (whose heads are split) and of the PatchGAN: a pair of layers
# costs one all-reduce forward and one backward.
# What stands between pairs is kept whole but for the outputs of its kernels.
TENSOR_PARALLEL: tuple[Rule, ...] = (
    (r"block_\d+/conv_0/(kernel|bias)$", COLUMN),
    (r"block_\d+/norm_1/scale$", COLUMN),
    (r"block_\d+/conv_1/kernel$", ROW),
    (r"attention/(query|key|value)/(kernel|bias)$", COLUMN),
    (r"attention/qkv/(kernel|bias)$", COLUMN),
    (r"attention/out/kernel$", ROW),
    (r"mlp_in/(kernel|bias)$", COLUMN),
    (r"mlp_out/kernel$", ROW),
    (r"(up|down)_\d+/conv/(kernel|bias)$", COLUMN),
    (rf"^{OTHER}\w+/conv_\d*[02468]/(kernel|bias)$", COLUMN),
    (rf"^{OTHER}\w+/conv_\d*[13579]/kernel$", ROW),
)


def parameter_of(path: Sequence[Any]) -> tuple[str, str]:
    """(role, path of the parameter) of a leaf's key path in a train state or a parameter tree.

    The role is the name of the first field: "params", "ema", "slots", "adversary" and so on;
    "params" for a tree without fields.
    """
    role = path[0].name if path and isinstance(path[0], jax.tree_util.GetAttrKey) else "params"
    name = "/".join(str(key.key) for key in path if isinstance(key, jax.tree_util.DictKey))
    return role, OTHER + name if role == "adversary" and name else name


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each parameter by its path: the largest leaf of that path."""
    found: dict[str, tuple[int, ...]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        _, name = parameter_of(path)
        if name and np.prod(leaf.shape) >= np.prod(found.get(name, (0,))):
            found[name] = tuple(leaf.shape)
    return found


def _check(mesh: Mesh, rule: Rule, name: str, shape: tuple[int, ...]) -> PartitionSpec:
    """The rule's partition of a parameter; ValueError where it cannot be."""
    pattern, axes = rule[0], [axis or None for axis in rule[1]]
    used = [axis for axis in axes if axis]
    if not set(used) <= set(AXES) or len(used) != len(set(used)):
        raise ValueError(
            f"the sharding rule {pattern!r} names the axes {axes}; each of {', '.join(AXES)} "
            "may stand once, None elsewhere."
        )
    if len(axes) > len(shape):
        raise ValueError(
            f"the sharding rule {pattern!r} names {len(axes)} axes, but {name} has {len(shape)}."
        )
    spec = [None] * (len(shape) - len(axes)) + axes
    for number, axis in enumerate(spec):
        if axis and shape[number] % mesh.shape[axis]:
            raise ValueError(
                f"the sharding rule {pattern!r} splits axis {number} of {name}, of size "
                f"{shape[number]} (the whole is {'x'.join(map(str, shape))}), over {axis} = "
                f"{mesh.shape[axis]} devices, which does not divide it."
            )
    return PartitionSpec(*spec)


def _by_rules(mesh: Mesh, shapes: dict[str, tuple[int, ...]], rules: Sequence[Rule], strict: bool):
    specs, deciding = {}, set()
    for pattern, _ in rules:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"the sharding rule {pattern!r} is wrong: {error}.") from error
    for name, shape in shapes.items():
        for number, rule in enumerate(rules):
            if re.search(rule[0], name):
                specs[name] = _check(mesh, rule, name, shape)
                deciding.add(number)
                break
    there = any(name.startswith(OTHER) for name in shapes)
    for number, (pattern, _) in enumerate(rules):
        if strict and number not in deciding and (there or OTHER not in pattern):
            matches = sum(bool(re.search(pattern, name)) for name in shapes)
            why = f"earlier rules decide its {matches}" if matches else "it matches none"
            branches = ", ".join(sorted({name.split("/")[0] for name in shapes}))
            raise ValueError(
                f"the sharding rule {pattern!r} has no effect: of {len(shapes)} parameters "
                f"({branches}) {why}."
            )
    if not strict and not any("model" in spec for spec in specs.values()):
        raise ValueError(
            f"runtime.mesh.model is {mesh.shape['model']}, but no default rule knows a parameter "
            "of this model: set runtime.sharding.rules, or runtime.mesh.model = 1."
        )
    return specs


def _with_data(mesh: Mesh, shape: tuple[int, ...], spec: PartitionSpec) -> PartitionSpec | None:
    """``spec`` with FSDP's axis; None where no axis is left that divides."""
    spec = [*spec, *[None] * (len(shape) - len(spec))]
    free = [
        axis for axis, size in enumerate(shape)
        if spec[axis] is None and size % mesh.shape["data"] == 0
    ]  # fmt: skip
    if "data" in spec or not free:
        return PartitionSpec(*spec) if "data" in spec else None
    spec[max(free, key=lambda axis: (shape[axis], -axis))] = "data"
    return PartitionSpec(*spec)


def _specs(
    mesh: Mesh, tree: Any, rules: Sequence[Rule], fsdp: bool, least: int, channels: bool
):  # fmt: skip
    """(partition of each parameter by path, shapes by path, paths that FSDP could not split)."""
    shapes, specs, whole = _shapes(tree), {}, []
    if rules and not channels:
        raise ValueError(
            f"runtime.split gives the {mesh.shape['model']} devices of model to the clips, so "
            f"runtime.sharding.rules cannot split parameters over it; got {len(rules)} rules."
        )
    if rules or (channels and mesh.shape["model"] > 1):
        specs = _by_rules(mesh, shapes, rules or TENSOR_PARALLEL, strict=bool(rules))
    for name, shape in shapes.items():
        specs.setdefault(name, PartitionSpec())
        if fsdp and mesh.shape["data"] > 1 and np.prod(shape) >= least:
            split = _with_data(mesh, shape, specs[name])
            whole += [name] * (split is None)
            specs[name] = specs[name] if split is None else split
    return specs, shapes, whole


def shardings(
    mesh: Mesh,
    tree: Any,
    rules: Sequence[Rule] = (),
    fsdp: bool = False,
    least: int = LEAST,
    channels: bool = True,
) -> tuple[Any, list[str]]:
    """The sharding of every leaf, and what FSDP could not split.

    Args:
      mesh: axes ``data`` and ``model``.
      tree: a train state, or a parameter tree, of arrays or ``jax.ShapeDtypeStruct``.
      rules: see the module's docstring; () stands for ``TENSOR_PARALLEL`` where ``model`` has more
        than one device, as far as its rules match.
      fsdp: whether large leaves are split over ``data``.
      least: elements of a large leaf.
      channels: whether ``model`` splits channels; False where it splits clips (split.py).

    Returns:
      A tree of ``NamedSharding`` of the structure of ``tree``; paths of large parameters that FSDP
      leaves as the rules have them, since no axis divides.

    Raises:
      ValueError: a rule has no effect, names a wrong axis, or a size does not divide.
    """
    specs, shapes, undivided = _specs(mesh, tree, rules, fsdp, least, channels)

    def of(path, leaf):
        _, name = parameter_of(path)
        follows = name and tuple(leaf.shape) == shapes[name]
        return NamedSharding(mesh, specs[name] if follows else PartitionSpec())

    return jax.tree_util.tree_map_with_path(of, tree), undivided
