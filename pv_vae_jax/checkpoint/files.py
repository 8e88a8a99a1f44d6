"""What all exports share: JSON that tells what a file is, and arrays that are what it says.

    metadata = format | package_version | kind | ... | training                             (1)

``kind`` is "generator" for a generator; a video VAE has none.
"""

import importlib.metadata
import json
import os
from typing import Any

import numpy as np

from pv_vae_jax.core import arrays, storage

FORMAT = 1
DTYPES = ("float32", "float16")
VIDEO_VAE, GENERATOR = "video VAE", "generator"


def write(
    path: str | os.PathLike,
    metadata: dict[str, Any],
    found: dict[str, Any],
    extra: Any,
    dtype: str = "float32",
) -> None:
    """Writes arrays with the metadata (1); the file appears whole or not at all.

    Args:
      path: ends in ``.npz`` or ``.safetensors``.
      metadata: JSON values; format and version are added.
      found: arrays by name.
      extra: what is known of the training, JSON values.
      dtype: of the arrays in the file, one of ``DTYPES``; float16 halves it, and rounds.

    Raises:
      ValueError: the name ends in neither, something is not JSON, or a number is too large for
        the dtype.
      OSError: the folder cannot be written.
    """
    path = storage.path(path)
    metadata = {"format": FORMAT, "package_version": package_version()} | metadata
    try:
        text = json.dumps(metadata | {"training": extra or {}}, allow_nan=False, indent=1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the metadata of {path} is not JSON: {error}.") from error
    if dtype not in DTYPES:
        raise ValueError(f"an export has the dtypes {', '.join(DTYPES)}; got {dtype!r}.")
    with np.errstate(over="ignore"):
        rounded = {name: np.asarray(leaf, dtype) for name, leaf in found.items()}
    for name, leaf in rounded.items():
        if np.isinf(leaf).any() and np.isfinite(np.asarray(found[name])).all():
            raise ValueError(f"{name} has numbers too large for {dtype}: export it as float32.")
    arrays.write(path, rounded, text)


def read(path: storage.Where, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The arrays of a file, float32, which are exactly those of ``shapes``.

    Raises:
      ValueError: they are not, or the file is damaged.
    """
    found = arrays.read(path)
    _check_arrays(path, found, shapes)
    return {name: leaf.astype(np.float32) for name, leaf in found.items()}


def read_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON of an export, without its arrays.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, foreign or newer.
    """
    text = arrays.read_text(path)
    try:
        metadata = json.loads(text) if text is not None else None
    except ValueError as error:
        raise ValueError(f"{path} is no export of pv_vae_jax: its metadata is not JSON.") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), int):
        raise ValueError(f"{path} is no export of pv_vae_jax: it has no metadata with a format.")
    if metadata["format"] > FORMAT:
        raise ValueError(
            f"{path} has format {metadata['format']}, this version reads up to {FORMAT}: install "
            f"pv_vae_jax {metadata.get('package_version')} or newer."
        )
    return metadata


def check_kind(path: storage.Where, metadata: dict[str, Any], wanted: str) -> None:
    """Raises ValueError if a file holds another kind of model."""
    kind = metadata.get("kind", VIDEO_VAE)
    if kind != wanted:
        raise ValueError(f"{path} holds a {kind}, not a {wanted}.")


def with_tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    if isinstance(value, dict):
        return {key: with_tuples(item) for key, item in value.items()}
    return tuple(map(with_tuples, value)) if isinstance(value, list) else value


def _check_arrays(
    path: storage.Where, found: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]
) -> None:
    """One ValueError that names every kind of difference between a file and its model."""
    missing = sorted(set(shapes) - set(found))
    surplus = sorted(set(found) - set(shapes))
    other = [
        f"{name} is {found[name].dtype}{list(found[name].shape)}, not float32{list(shape)}"
        for name, shape in sorted(shapes.items())
        if name in found and (found[name].shape != shape or found[name].dtype.name not in DTYPES)
    ]
    faults = [
        f"{len(names)} {kind} ({'; '.join(names[:3])}{'; ...' if len(names) > 3 else ''})"
        for kind, names in (("missing", missing), ("surplus", surplus), ("of another form", other))
        if names
    ]
    if faults:
        raise ValueError(f"the arrays of {path} are not those of its model: {', '.join(faults)}.")


def package_version() -> str:
    """Of this package, for metadata; a clone that is not installed says so."""
    try:
        return importlib.metadata.version("pv_vae_jax")
    except importlib.metadata.PackageNotFoundError:
        return "not installed (run from a clone)"
