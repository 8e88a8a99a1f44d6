"""A trained model as one file, ``.npz`` or ``.safetensors``, that NumPy or safetensors alone read.

    params/encoder/conv_in/kernel ...   every parameter, float32, named by its path in the tree
    latents/mean, latents/std           the latent statistics, float32 [c]
    metadata                            JSON (where it stands: core/arrays.py)

The JSON has ``format``, ``package_version``, ``model`` (name and fields), ``spec``, ``parameters``
and ``training`` (free).  Nothing is pickled: ``numpy.load(path, allow_pickle=False)`` or
``safetensors.numpy.load_file(path)`` is enough.  A damaged file is refused.
"""

import dataclasses
import importlib.metadata
import json
import os
from typing import Any

import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import arrays, storage, trees
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry

FORMAT = 1
SUFFIXES = arrays.SUFFIXES
MEAN, STD, PARAMS = "latents/mean", "latents/std", "params/"


def save(path: str | os.PathLike, vae: VideoVAE, extra: dict[str, Any] | None = None) -> None:
    """Writes a model; the file appears whole or not at all.

    Args:
      path: ends in ``.npz`` or ``.safetensors``; its folder is created; a file that is there is
        replaced.
      vae: the model; ``vae.config`` is its name and fields.
      extra: what is known of its training, as JSON values: the metadata's ``training``.

    Raises:
      ValueError: the name ends in neither, or ``extra`` is not JSON.
      OSError: the folder cannot be written.
    """
    path = storage.path(path)
    metadata = {
        "format": FORMAT,
        "package_version": _package_version(),
        "model": vae.config,
        "spec": dataclasses.asdict(vae.spec),
        "parameters": vae.parameters,
        "training": extra or {},
    }
    try:
        text = json.dumps(metadata, allow_nan=False, indent=1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the metadata of {path} is not JSON: {error}.") from error
    found = {PARAMS + name: leaf for name, leaf in trees.flatten(vae.params).items()}
    found |= {MEAN: vae.mean, STD: vae.std}
    arrays.write(path, {name: np.asarray(leaf, np.float32) for name, leaf in found.items()}, text)


def load(
    path: str | os.PathLike, weights: str | os.PathLike | None = None, **overrides: Any
) -> VideoVAE:
    """The model of a file that :func:`save` wrote, or a baseline with public weights.

    Args:
      path: an export; with ``weights`` the name of a baseline.
      weights: a public checkpoint of that baseline.
      **overrides: of the baseline's fields.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, foreign, newer, or its arrays are not those of its model.
    """
    if weights is not None:
        return registry.from_reference(str(path), weights, **overrides)
    path = storage.path(path)
    metadata = read_metadata(path)
    found = arrays.read(path)
    model = _with_tuples(metadata["model"])
    try:
        module = registry.build(model["name"], **model["fields"])
    except ValueError as error:
        raise ValueError(f"{path} cannot be rebuilt by this version: {error}") from error
    channels = module.spec.channels
    expected = trees.flatten(registry.shapes(module))
    shapes = {PARAMS + name: leaf.shape for name, leaf in expected.items()}
    _check_arrays(path, found, shapes | {MEAN: (channels,), STD: (channels,)})
    params = trees.unflatten({name: jnp.asarray(found[PARAMS + name]) for name in expected})
    return VideoVAE(module, params, found[MEAN], found[STD], model)


def is_export(path: str | os.PathLike) -> bool:
    """Whether a file is what :func:`save` writes: by its name, a safetensors by its metadata."""
    name = str(path)
    if name.endswith(".safetensors"):
        return arrays.read_text(path) is not None
    return name.endswith(SUFFIXES)


def read_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON of an export, without its arrays; errors as :func:`load`."""
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


def _check_arrays(
    path: storage.Where, found: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]
) -> None:
    """One ValueError that names every kind of difference between a file and its model."""
    missing = sorted(set(shapes) - set(found))
    surplus = sorted(set(found) - set(shapes))
    other = [
        f"{name} is {found[name].dtype}{list(found[name].shape)}, not float32{list(shape)}"
        for name, shape in sorted(shapes.items())
        if name in found and (found[name].shape, found[name].dtype) != (shape, np.float32)
    ]
    faults = [
        f"{len(names)} {kind} ({'; '.join(names[:3])}{'; ...' if len(names) > 3 else ''})"
        for kind, names in (("missing", missing), ("surplus", surplus), ("of another form", other))
        if names
    ]
    if faults:
        raise ValueError(f"the arrays of {path} are not those of its model: {', '.join(faults)}.")


def _with_tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _package_version() -> str:
    try:
        return importlib.metadata.version("pv_vae_jax")
    except importlib.metadata.PackageNotFoundError:
        return "not installed (run from a clone)"
