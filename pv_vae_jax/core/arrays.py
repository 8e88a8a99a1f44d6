"""Named arrays and a text in one file, every byte under a checksum.

    .npz           a zip archive, read by NumPy alone; the text is the uint8 array ``metadata``;
                   each array has the CRC-32 of its zip entry
    .safetensors   a header, then the arrays, read by many libraries; the text is the header's
                   string ``metadata``; the format has no checksums, so that its string ``crc32``
                   holds those of each array (with type and shape) and of the text, as JSON

Nothing is pickled.  A file that others wrote is read too, with what checksums it has.
"""

import json
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from pv_vae_jax.core import storage, store_errors

METADATA, CHECKSUMS = "metadata", "crc32"
SUFFIXES = (".npz", ".safetensors")
Path = Any  # pathlib.Path, or epath.Path where it is a URL
# What zipfile and NumPy raise at a file with bytes missing or changed, besides ValueError.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, tokenize.TokenError
)  # fmt: skip


def write(path: storage.Where, arrays: dict[str, np.ndarray], text: str | None = None) -> None:
    """Writes a file, whole or not at all; its folder is created, an older file replaced.

    Args:
      path: its name ends in one of ``SUFFIXES``.
      arrays: by name.
      text: kept beside them.

    Raises:
      ValueError: the name ends in none of ``SUFFIXES``.
      OSError: the folder cannot be written.
    """
    path = storage.path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"an export is a {' or '.join(SUFFIXES)} file, got {path}: name it {path.name}.npz."
        )
    with storage.whole(path) as partial, open(partial, "wb") as file:
        if path.suffix == ".npz":
            told = {} if text is None else {METADATA: np.frombuffer(text.encode(), np.uint8)}
            np.savez(file, **arrays, **told)
        else:
            text = text or ""
            header = {METADATA: text, CHECKSUMS: json.dumps(_checksums(arrays, text))}
            file.write(safetensors.numpy.save(arrays, header))


def read(path: storage.Where) -> dict[str, np.ndarray]:
    """The arrays of a file, every checksum compared; without the text.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, or holds something else than arrays.
    """
    path = storage.path(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)[0]
    arrays = _read_npz(path)
    arrays.pop(METADATA, None)
    return arrays


def read_text(path: storage.Where) -> str | None:
    """The text of a file, if it has one; no array is read.  Errors as :func:`read`."""
    path = storage.path(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path, text_alone=True)[1]
    array = _read_npz(path, METADATA).get(METADATA)
    return None if array is None else array.tobytes().decode(errors="replace")


def _read_npz(path: Path, only: str | None = None) -> dict[str, np.ndarray]:
    _check_there(path)
    name = "its table of contents"
    with storage.opened(path) as file:
        try:
            zipfile.ZipFile(file).close()  # np.load takes anything else for a pickle
            file.seek(0)
            arrays = {}
            with np.load(file, allow_pickle=False) as archive:
                for name in archive.files if only is None else {only} & set(archive.files):
                    arrays[name] = archive[name]
            return arrays
        except store_errors.StoreError:
            raise
        except DAMAGE as error:
            raise ValueError(_damaged(path, name)) from error
        except ValueError as error:
            raise ValueError(f"{path} is foreign or damaged: {name} is no plain array.") from error


def _read_safetensors(
    path: Path, text_alone: bool = False
) -> tuple[dict[str, np.ndarray], str | None]:
    _check_there(path)
    try:
        with (
            storage.here(path) as local,
            safetensors.safe_open(local, framework="numpy") as file,
        ):
            strings, names = file.metadata() or {}, () if text_alone else file.keys()
            arrays = {name: file.get_tensor(name) for name in names}
        text = strings.get(METADATA)
        expected = dict(json.loads(strings.get(CHECKSUMS, "{}")))
    except store_errors.StoreError:
        raise
    except AttributeError as error:  # safetensors asks NumPy for it
        raise ValueError(
            f"{path} holds a type that NumPy has not ({error.name}): convert it to float32 or "
            "bfloat16."
        ) from error
    except (safetensors.SafetensorError, OSError, TypeError, ValueError) as error:
        raise ValueError(_damaged(path, "its header")) from error
    if expected:
        found = _checksums(arrays, text or "")
        for name in sorted(found.keys() if text_alone else found.keys() | expected.keys()):
            if expected.get(name) != found.get(name):
                raise ValueError(_damaged(path, name))
    return arrays, text


def _checksums(arrays: dict[str, np.ndarray], text: str) -> dict[str, int]:
    """CRC-32 of type, shape and bytes of each array, and of the text."""
    sums = {METADATA: zlib.crc32(text.encode())}
    for name, value in arrays.items():
        form = zlib.crc32(f"{value.dtype}{value.shape}".encode())
        sums[name] = zlib.crc32(value.reshape(-1).view(np.uint8), form)
    return sums


def _check_there(path: Path) -> None:
    if not storage.exists(path) or storage.is_folder(path):
        raise FileNotFoundError(f"there is no model file {path}.")


def _damaged(path: Path, where: str) -> str:
    kind = path.suffix if path.suffix in SUFFIXES else SUFFIXES[0]
    return f"{path} is not a whole {kind} file (damaged at {where}): copy or export it again."
