"""Tensors of torch's own files, of safetensors and of .npz, as NumPy arrays, without torch.

    tensor[i, j, ...] = storage[offset + i stride_0 + j stride_1 + ...]                     (1)

    zip           NAME/data.pkl holds the tree, NAME/data/KEY one storage     torch 1.6 and later
    TorchScript   the same, the tree is a module: its tensors by name; its code is not looked at
    legacy        magic number, protocol, system, tree, keys, then per key a count and its values
    safetensors   by its own library
    .npz          by NumPy, pickles refused

The trees of torch's formats are pickles; they may name what is in ``ALLOWED`` and nothing else. The
classes of TorchScript become holders of attributes (torchscript.py).
Every element that (1) can reach is checked to lie inside its storage.  A name such as
``vgg16-397923af.pth`` carries the first digits of the file's sha256, and they are checked.
"""

import collections
import io
import os
import pathlib
import re
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
import safetensors.numpy

from pv_vae_jax.core import arrays as named_arrays
from pv_vae_jax.core import storage
from pv_vae_jax.pretrained import pickles, torchscript

ARCHIVE = b"PK\x03\x04"  # how a zip begins
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {
    "Double": np.float64,
    "Float": np.float32,
    "Half": np.float16,
    "BFloat16": ml_dtypes.bfloat16,
    "Long": np.int64,
    "Int": np.int32,
    "Short": np.int16,
    "Char": np.int8,
    "Byte": np.uint8,
    "Bool": np.bool_,
}


def _rebuild(
    storage: np.ndarray, offset: int, sizes: Sequence[int], strides: Sequence[int], *_: Any
) -> np.ndarray:
    """Equation (1); gradients and hooks, which follow, have no meaning here."""
    last = offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    inside = min((offset, *sizes, *strides)) >= 0 and last < storage.size
    if not inside and 0 not in sizes:
        raise ValueError(f"a tensor of {tuple(sizes)} reaches outside of its storage")
    if 0 in sizes:
        return np.empty(sizes, storage.dtype)
    steps = [s * storage.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], sizes, steps, writeable=False)


ALLOWED = {
    "collections.OrderedDict": collections.OrderedDict,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    **{f"torch.{name}Storage": np.dtype(kind) for name, kind in STORAGES.items()},
    **torchscript.ALLOWED,
}


def _storages(make: Callable[[str, np.dtype, int], np.ndarray]) -> Callable[[Any], np.ndarray]:
    """What a tree's references to storages become, each storage made once."""
    made: dict[str, np.ndarray] = {}

    def storage(reference: tuple) -> np.ndarray:
        what, kind, key, _place, count, *view = reference
        if what != "storage" or not isinstance(kind, np.dtype) or any(view):
            raise pickles.Refused(f"it refers to {what!r}, which is not a plain storage")
        if key not in made:
            made[key] = make(key, kind, count)
        return made[key]

    return storage


def _read_zip(path: pathlib.Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        trees = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(trees) != 1:
            raise pickles.Refused("it is a zip archive, but holds no NAME/data.pkl")
        folder = trees[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise pickles.Refused("its bytes are in big-endian order")

        def make(key: str, kind: np.dtype, count: int) -> np.ndarray:
            values = np.frombuffer(archive.read(f"{folder}data/{key}"), kind)
            if values.size != count:
                raise ValueError(f"storage {key} holds {values.size} values, wanted {count}")
            return values

        content = io.BytesIO(archive.read(trees[0]))
        tree = pickles.load(content, ALLOWED, _storages(make), torchscript.CLASSES)
        return torchscript.tensors(tree) if isinstance(tree, pickles.Inert) else tree


def _read_legacy(file: BinaryIO) -> Any:
    if pickles.load(file, {}) != MAGIC or pickles.load(file, {}) != PROTOCOL:
        raise pickles.Refused("it does not begin as a file of torch does")
    if not pickles.load(file, {})["little_endian"]:
        raise pickles.Refused("its bytes are in big-endian order")
    size = os.fstat(file.fileno()).st_size
    made: dict[str, np.ndarray] = {}

    def make(key: str, kind: np.dtype, count: int) -> np.ndarray:
        if not 0 <= count * kind.itemsize <= size:
            raise ValueError(f"storage {key} wants {count} values, the file has {size} bytes")
        made[key] = np.zeros(count, kind)
        return made[key]

    tree = pickles.load(file, ALLOWED, _storages(make))  # its arrays are filled below
    for key in pickles.load(file, {}):
        count = int.from_bytes(file.read(8), "little")
        content = file.read(made[key].nbytes)
        if count != made[key].size or len(content) != made[key].nbytes:
            raise ValueError(f"storage {key} holds {count} values, wanted {made[key].size}")
        made[key][:] = np.frombuffer(content, made[key].dtype)
    if file.read(1):
        raise ValueError("there are bytes behind its last storage")
    return tree


def _check_name(path: pathlib.Path) -> None:
    digits = re.search(r"-([0-9a-f]{8,64})$", path.stem)
    if digits is None or digits[1].isdecimal():  # a date, or a number of updates
        return
    found = storage.sha256(path)
    if not found.startswith(digits[1]):
        raise ValueError(
            f"{path} has sha256 {found[:16]}..., but its name promises {digits[1]}: copy it again "
            "(or give a file of your own another name)."
        )


def read(path: str | os.PathLike) -> Any:
    """The tree of a file: containers as they were saved, tensors as arrays (not to be written to).

    Args:
      path: of any name; safetensors and .npz are known by their suffix.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, in another format, or names what is not in ``ALLOWED``.
    """
    if not storage.exists(path) or storage.is_folder(path):
        raise FileNotFoundError(f"there is no file of weights {path}.")
    with storage.here(path) as local:
        return _read(local)


def _read(path: pathlib.Path) -> Any:
    _check_name(path)
    if path.suffix == ".npz":
        return named_arrays.read(path)
    try:
        if path.suffix == ".safetensors":
            return safetensors.numpy.load_file(path)
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        with path.open("rb") as file:
            if file.read(len(ARCHIVE)) == ARCHIVE:
                raise ValueError("it begins as an archive whose end is missing; copy it again")
            file.seek(0)
            return _read_legacy(file)
    except pickles.Refused as error:
        raise ValueError(
            f"{path} is refused: {error}. Save its state_dict alone, with torch.save or as "
            "safetensors."
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(f"{path} is not a whole file of torch or safetensors: {error}.") from error
