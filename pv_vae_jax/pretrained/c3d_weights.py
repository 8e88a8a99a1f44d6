"""The weights of C3D from a user's file, under one set of names.

    Caffe's names      conv1a conv2a conv3a ... conv5b fc6 fc7 fc8   Chainer, TGAN; StyleGAN-V
    PyTorch's names    conv1  conv2  conv3a ... conv5b fc6 fc7 fc8   the usual ports

    /W, /b  or  .weight, .bias  behind them:  [O, C, 3, 3, 3], [O];  [out, in], [out]

The first family's last maximum is Caffe's, the second's PyTorch's (c3d_network.py).  TGAN's file is
``conv3d_deepnetA_ucf.npz``, StyleGAN-V's the TorchScript file ``c3d_ucf101.pt``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pv_vae_jax.pretrained import c3d_network, parameters

CAFFE = {"conv1": "conv1a", "conv2": "conv2a"}  # the others are called alike


def shapes(network: c3d_network.C3D) -> dict[str, tuple[int, ...]]:
    """Name to shape of all that the network needs."""
    side = c3d_network.SIDE
    return parameters.shapes(network, c3d_network.FRAMES, side, side)


def from_file(
    state: Mapping[str, Any], network: c3d_network.C3D
) -> tuple[dict[str, np.ndarray], c3d_network.C3D]:
    """Our arrays and the network in the reading that belongs to the names.

    Args:
      state: tensors by name, or what holds them as ``state_dict``.
      network: whose widths the tensors have.

    Raises:
      ValueError: tensors are missing, of another shape or not finite.
    """
    state = state.get("state_dict", state)
    found = {name.replace("/", "."): value for name, value in state.items()}
    caffe = any(_ends(name, "conv1a") for name in found)
    first = "conv1a" if caffe else "conv1"
    prefix = next((n[: n.index(first)] for n in found if _ends(n, first)), "")
    arrays, faults = {}, []
    for name, shape in shapes(network).items():
        layer, leaf = name.split("/")
        theirs = prefix + (CAFFE.get(layer, layer) if caffe else layer)
        value = next((found[n] for n in _spelled(theirs, leaf) if n in found), None)
        turned = value is not None and leaf == "kernel" and value.ndim == 5
        value = value.transpose(2, 3, 4, 1, 0) if turned else value
        if value is None:
            faults.append(f"{theirs}.{'bias' if leaf == 'bias' else 'weight'} is missing")
        elif value.shape != shape:
            faults.append(f"{theirs} of {list(value.shape)} is wanted as {list(shape)}")
        elif not np.all(np.isfinite(value)):
            faults.append(f"{theirs} holds values that are not finite")
        else:
            arrays[name] = np.ascontiguousarray(value, np.float32)
    if faults:
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ValueError(
            f"it is no C3D of {network.classes} classes: {'; '.join(faults[:3])}{more}."
        )
    return arrays, network.clone(centred=not caffe)


def _ends(name: str, layer: str) -> bool:
    return any(f".{name}".endswith(f".{layer}.{leaf}") for leaf in ("weight", "W"))


def _spelled(layer: str, leaf: str) -> tuple[str, str]:
    return (f"{layer}.bias", f"{layer}.b") if leaf == "bias" else (f"{layer}.weight", f"{layer}.W")
