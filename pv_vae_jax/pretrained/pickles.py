"""A pickle is a program; here it may call what is on a short list, and nothing else.

    find(module, name) = allowed[module.name], or the file is refused                       (1)

Where a file holds objects of classes that are not here (TorchScript's modules), names that begin
with ``inert`` stand for :class:`Inert`: such an object keeps its attributes and can do nothing.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

_RECONSTRUCT = np.empty(0).__reduce__()[0]
ARRAYS = {
    "numpy.core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy._core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
}


class Refused(ValueError):
    """A pickle names something that is not on the list; nothing of it was called."""


class Inert:
    """An object of a class that is not here: attributes without behaviour."""


class _Reader(pickle.Unpickler):
    def __init__(
        self,
        file: BinaryIO,
        allowed: Mapping[str, Any],
        persistent: Callable | None,
        inert: tuple[str, ...],
    ):
        super().__init__(file)
        self._allowed = allowed
        self._persistent = persistent
        self._inert = inert
        self._class = type("Inert", (Inert,), {})  # of this file: what it sets on it ends with it

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full.startswith(self._inert):
            return self._class
        if full not in self._allowed:
            raise Refused(f"it names {full}, which a file of weights may not call")
        return self._allowed[full]

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent is None:
            raise Refused("it refers to data outside of itself")
        return self._persistent(pid)


def load(
    file: BinaryIO,
    allowed: Mapping[str, Any],
    persistent: Callable | None = None,
    inert: tuple[str, ...] = (),
) -> Any:
    """The next pickle of an open file.

    Args:
      file: stands at the pickle's first byte; stands behind its last one afterwards.
      allowed: full name to what takes its place.
      persistent: reads what the pickle refers to outside of itself.
      inert: how the full names of classes begin whose objects become :class:`Inert`.

    Raises:
      Refused: the pickle names something else.
      Exception: of any kind, if it is damaged.
    """
    return _Reader(file, allowed, persistent, inert).load()


def arrays(content: bytes) -> Any:
    """A pickle of NumPy arrays in plain containers; errors as :func:`load`."""
    return load(io.BytesIO(content), ARRAYS)
