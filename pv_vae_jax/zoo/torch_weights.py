"""Tensors of a reference implementation, one by one, to leaves of our tree and back.

    conv3d [O, C, t, h, w], conv2d [O, C, h, w], linear [O, C]   <->  ours [t, h, w, C, O]  (1)
    vector [C], rank4 [C, 1, 1, 1], rank3 [C, 1, 1]              <->  ours [C]

A tensor that holds several of our leaves (query, key and value of one layer) holds them one after
the other on O.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

_SPACE = {"conv3d": 5, "conv2d": 4, "linear": 2}
_VECTORS = {"vector": (), "rank4": (1, 1, 1), "rank3": (1, 1)}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A tensor of the reference, and our leaves that it holds.

    Attributes:
      key: its name there.
      paths: our leaves, in the order in which they lie in it.
      form: a word of equation (1).
    """

    key: str
    paths: tuple[str, ...]
    form: str

    def shape(self, leaves: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """The tensor's shape, given the shapes of our leaves."""
        outputs = sum(leaves[path][-1] for path in self.paths)
        if self.form in _VECTORS:
            return (outputs, *_VECTORS[self.form])
        t, h, w, c, _ = leaves[self.paths[0]]
        return (outputs, c, *(t, h, w)[5 - _SPACE[self.form] :])

    def to_ours(self, tensor: np.ndarray) -> np.ndarray:
        """Equation (1): all of ``paths``, float32, one after the other on the last axis."""
        tensor = np.asarray(tensor, np.float32)
        if self.form in _VECTORS:
            return tensor.reshape(-1)
        tensor = tensor.reshape(*tensor.shape[:2], *(1,) * (5 - tensor.ndim), *tensor.shape[2:])
        return tensor.transpose(2, 3, 4, 1, 0)

    def to_theirs(self, leaves: Mapping[str, np.ndarray]) -> np.ndarray:
        """The inverse of :meth:`to_ours`, of the paths' leaves."""
        whole = np.concatenate([leaves[path] for path in self.paths], axis=-1)
        shape = self.shape({path: np.shape(leaves[path]) for path in self.paths})
        if self.form in _VECTORS:
            return whole.reshape(shape)
        return np.ascontiguousarray(whole.transpose(4, 3, 0, 1, 2)).reshape(shape)


def conv(ours: str, theirs: str, form: str = "conv3d") -> list[Entry]:
    """Kernel and bias of one convolution (or linear layer)."""
    return [
        Entry(f"{theirs}.weight", (f"{ours}/kernel",), form),
        Entry(f"{theirs}.bias", (f"{ours}/bias",), "vector"),
    ]


def joined(ours: Iterable[str], theirs: str, form: str) -> list[Entry]:
    """Several of our convolutions that are one of theirs."""
    ours = tuple(ours)
    return [
        Entry(f"{theirs}.weight", tuple(f"{path}/kernel" for path in ours), form),
        Entry(f"{theirs}.bias", tuple(f"{path}/bias" for path in ours), "vector"),
    ]


def affine(ours: str, theirs: str) -> list[Entry]:
    """Scale and bias of a norm."""
    return [
        Entry(f"{theirs}.weight", (f"{ours}/scale",), "vector"),
        Entry(f"{theirs}.bias", (f"{ours}/bias",), "vector"),
    ]


def gamma(ours: str, theirs: str, form: str = "rank4") -> Entry:
    """The scale of an RMS norm."""
    return Entry(f"{theirs}.gamma", (f"{ours}/scale",), form)


def attention(ours: str, theirs: str) -> list[Entry]:
    """layers/attention.py where query, key and value are one 2-D convolution."""
    return [
        gamma(f"{ours}/norm", f"{theirs}.norm", "rank3"),
        *joined((f"{ours}/{x}" for x in ("query", "key", "value")), f"{theirs}.to_qkv", "conv2d"),
        *conv(f"{ours}/out", f"{theirs}.proj", "conv2d"),
    ]


def ours_of(
    entries: Iterable[Entry],
    tensors: Mapping[str, np.ndarray],
    leaves: Mapping[str, tuple[int, ...]],
) -> dict[str, np.ndarray]:
    """Our leaves by path, float32; names and shapes of ``tensors`` must fit."""
    found = {}
    for entry in entries:
        ends = np.cumsum([leaves[path][-1] for path in entry.paths])[:-1]
        parts = np.split(entry.to_ours(tensors[entry.key]), ends, axis=-1)
        found |= dict(zip(entry.paths, map(np.ascontiguousarray, parts), strict=True))
    return found


def theirs_of(entries: Iterable[Entry], leaves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The reference's state dict, float32, of our leaves by path."""
    return {entry.key: entry.to_theirs(leaves) for entry in entries}
