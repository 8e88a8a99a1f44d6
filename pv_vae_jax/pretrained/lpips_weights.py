"""The weights of LPIPS from three kinds of files, under one set of names.

    backbone/NAME/kernel [kh, kw, C, O], backbone/NAME/bias [O]    a convolution
    heads/LEVEL [C]                                                the weight of each channel, >= 0

The pinned package holds both; torchvision's files hold the backbone and those of the package
``lpips`` the heads, so a user gives one of each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flax import linen as nn

from pv_vae_jax.pretrained import parameters


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Name to shape of all that LPIPS on ``network`` needs."""
    found = parameters.shapes(network, 64, 64)
    backbone = {f"backbone/{name}": shape for name, shape in found.items()}
    return backbone | {f"heads/{i}": (c,) for i, c in enumerate(network.channels, start=1)}


def from_package(names: Sequence[str], tree: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Of the pinned package: convolutions and heads, each numbered in order.

    Args:
      names: of the convolutions, in order.
      tree: what was pickled.
    """
    (network,) = (branch for key, branch in tree.items() if not key.startswith("NetLinLayer"))
    weights = {}
    for i, name in enumerate(names):
        for leaf in ("kernel", "bias"):
            weights[f"backbone/{name}/{leaf}"] = network[f"Conv_{i}"][leaf]
    for i in range(len(tree) - 1):
        weights[f"heads/{i + 1}"] = tree[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].reshape(-1)
    return weights


def from_torch(
    numbers: Mapping[str, int], states: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Of the user's files: what of a backbone and of heads is in them; the rest is passed over.

    Args:
      numbers: name of a convolution to its number among torchvision's ``features``.
      states: the files' tensors by name.
    """
    state = {name: value for part in states for name, value in part.items()}
    weights = {}
    for name, number in numbers.items():
        kernel, bias = (state.get(f"features.{number}.{leaf}") for leaf in ("weight", "bias"))
        if kernel is not None and bias is not None:
            weights[f"backbone/{name}/kernel"] = np.transpose(kernel, (2, 3, 1, 0))
            weights[f"backbone/{name}/bias"] = bias
    for name, value in state.items():
        if name.startswith("lin") and name.endswith(".model.1.weight"):
            weights[f"heads/{int(name[3]) + 1}"] = value.reshape(-1)
    return weights
