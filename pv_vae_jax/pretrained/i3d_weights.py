"""The weights of I3D from two kinds of files, folded and under one set of names.

    s = scale / sqrt(variance + 1e-3),    kernel = s kernel',    bias = offset - s mean     (1)

    conv_1a/kernel [7, 7, 7, 3, 64]      mixed_3b/enter/kernel [1, 1, 1, 192, 176]
    conv_1a/bias   [64]                  mixed_3b/b/kernel     [3, 3, 3, 96, 128]    ...

(1) is a convolution and the batch norm behind it, in float64.  The three convolutions with which a
block begins lie side by side in ``enter``.  The ports have names of their own (i3d_names.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.core import trees
from pv_vae_jax.pretrained import i3d_names, i3d_network, parameters

EPSILON = 1e-3
Arrays = dict[str, np.ndarray]


def shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of all that the network needs."""
    side = i3d_network.SIDE
    return parameters.shapes(i3d_network.I3D(), i3d_network.LEAST_FRAMES, side, side)


def fold(
    kernel: np.ndarray,
    offset: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    scale: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Equation (1) of a kernel ``[..., C, O]`` and arrays of O values: (kernel, bias), float32."""
    offset, mean, variance = (np.float64(a).reshape(-1) for a in (offset, mean, variance))
    factor = np.reshape(scale, -1) / np.sqrt(variance + EPSILON)
    return (kernel * factor).astype(np.float32), (offset - factor * mean).astype(np.float32)


def assembled(
    units: Mapping[str, tuple[np.ndarray, np.ndarray]], logits: tuple[np.ndarray, np.ndarray]
) -> Arrays:
    """The network's arrays.

    Args:
      units: kernel and bias of each convolution of ``i3d_names.units()``.
      logits: those of the last one, ``[..., C, O]`` and O values.
    """
    together = dict(units)
    for name, _ in i3d_network.BLOCKS:
        parts = [together.pop(f"{name}/enter/{part}") for part in i3d_names.ENTER]
        together[f"{name}/enter"] = tuple(
            np.concatenate(leaves, axis=-1) for leaves in zip(*parts, strict=True)
        )
    kernel, bias = logits
    together["logits"] = kernel.reshape(kernel.shape[-2:]), bias.reshape(-1)
    leaves = ("kernel", "bias")
    return {
        f"{name}/{leaf}": value
        for name, pair in sorted(together.items())
        for leaf, value in zip(leaves, pair, strict=True)
    }


def from_package(tree: Mapping[str, Any]) -> Arrays:
    """Of the pinned package, whose batch norms have no scale.

    Args:
      tree: what was pickled: ``params`` and ``batch_stats``.
    """
    flat = trees.flatten(tree)
    package = i3d_names.PACKAGE
    units = {
        unit: fold(
            flat[f"params/{theirs}/Conv_0/kernel"],
            flat[f"params/{theirs}/BatchNorm_0/bias"],
            *(flat[f"batch_stats/{theirs}/BatchNorm_0/{leaf}"] for leaf in ("mean", "var")),
        )
        for unit, theirs in package.units().items()
    }
    kernel, bias = (flat[f"params/{package.logits}/Conv_0/{leaf}"] for leaf in ("kernel", "bias"))
    return assembled(units, (kernel, bias))


def from_torch(states: Sequence[Mapping[str, Any]]) -> Arrays:
    """Of a user's file: a state dict with the names of one of the two families.

    Raises:
      ValueError: no family's names, or tensors that are missing, left over or of another shape.
    """
    state = {name: value for part in states for name, value in part.get("state_dict", part).items()}
    names = i3d_names.found_in(state)
    names.compare(state)
    units = {
        unit: fold(
            state[f"{theirs}.conv3d.weight"].transpose(2, 3, 4, 1, 0),
            *(state[f"{theirs}.{names.norm}.{leaf}"] for leaf in i3d_names.NORM),
        )
        for unit, theirs in names.units.items()
    }
    kernel, bias = (state[f"{names.logits}.conv3d.{leaf}"] for leaf in ("weight", "bias"))
    return assembled(units, (kernel.transpose(2, 3, 4, 1, 0), bias))
