"""A trained model as one file that NumPy alone can read.

    params/encoder/conv_in/kernel ...   every parameter, float32, named by its path in the tree
    latents/mean, latents/std           the latent statistics, float32 [c]
    metadata                            UTF-8 JSON in a uint8 array

The JSON has ``format``, ``package_version``, ``model`` (name and fields), ``spec``, ``parameters``
and ``training`` (free).  Nothing is pickled: ``numpy.load(path, allow_pickle=False)`` is enough.
The file is a zip archive, so each array carries a CRC; a damaged one is refused by name.
"""

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import tokenize
import zipfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import trees
from pv_vae_jax.models import sizes
from pv_vae_jax.models.video_vae import VideoVAE

FORMAT = 1
MEAN, STD, METADATA, PARAMS = "latents/mean", "latents/std", "metadata", "params/"
# What zipfile and NumPy raise at a file with bytes missing or changed, besides ValueError.
DAMAGE = (zipfile.BadZipFile, EOFError, RuntimeError, OSError, tokenize.TokenError)


def save(path: str | os.PathLike, vae: VideoVAE, extra: dict[str, Any] | None = None) -> None:
    """Writes a model; the file appears whole or not at all.

    Args:
      path: ends in ``.npz``; its folder is created; a file that is there is replaced.
      vae: the model; ``vae.config`` is its name and fields.
      extra: what is known of its training, as JSON values: the metadata's ``training``.

    Raises:
      ValueError: the name does not end in ``.npz``, or ``extra`` is not JSON.
      OSError: the folder cannot be written.
    """
    path = pathlib.Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"an export is a .npz file, got {path}: name it {path.name}.npz.")
    metadata = {
        "format": FORMAT,
        "package_version": _package_version(),
        "model": vae.config,
        "spec": dataclasses.asdict(vae.spec),
        "parameters": vae.parameters,
        "training": extra or {},
    }
    try:
        text = json.dumps(metadata, allow_nan=False, indent=1).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"the metadata of {path} is not JSON: {error}.") from error
    arrays = {PARAMS + name: leaf for name, leaf in trees.flatten(vae.params).items()}
    arrays |= {MEAN: vae.mean, STD: vae.std}
    arrays = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez(file, **arrays, **{METADATA: np.frombuffer(text, np.uint8)})
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: str | os.PathLike) -> VideoVAE:
    """The model of a file that :func:`save` wrote.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, foreign, newer, or its arrays are not those of its model.
    """
    path = pathlib.Path(path)
    metadata = read_metadata(path)
    arrays = _read(path)
    model = _with_tuples(metadata["model"])
    try:
        module = sizes.build(model["name"], **model["fields"])
    except ValueError as error:
        raise ValueError(f"{path} cannot be rebuilt by this version: {error}") from error
    side, channels = module.spec.spatial, module.spec.channels
    clip = jax.ShapeDtypeStruct((1, 1, side, side, 3), jnp.float32)
    expected = trees.flatten(jax.eval_shape(module.init, jax.random.key(0), clip)["params"])
    shapes = {PARAMS + name: leaf.shape for name, leaf in expected.items()}
    _check_arrays(path, arrays, shapes | {MEAN: (channels,), STD: (channels,)})
    params = trees.unflatten({name: jnp.asarray(arrays[PARAMS + name]) for name in expected})
    return VideoVAE(module, params, arrays[MEAN], arrays[STD], model)


def read_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON of an export, without its arrays; errors as :func:`load`."""
    text = _read(pathlib.Path(path), METADATA).get(METADATA)
    try:
        metadata = json.loads(text.tobytes()) if text is not None else None
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


def _read(path: pathlib.Path, only: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` (or the one named, if there), every CRC checked."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no model file {path}.")
    name = "its table of contents"
    with open(path, "rb") as file:
        try:
            zipfile.ZipFile(file).close()  # np.load takes anything else for a pickle
            file.seek(0)
            arrays = {}
            with np.load(file, allow_pickle=False) as archive:
                for name in archive.files if only is None else {only} & set(archive.files):
                    arrays[name] = archive[name]
            return arrays
        except DAMAGE as error:
            raise ValueError(
                f"{path} is not a whole .npz file (damaged at {name}): copy or export it again."
            ) from error
        except ValueError as error:
            raise ValueError(
                f"{path} is no export of pv_vae_jax, or damaged: {name} is not a plain array."
            ) from error


def _check_arrays(
    path: pathlib.Path, arrays: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]
) -> None:
    """One ValueError that names every kind of difference between a file and its model."""
    missing = sorted(set(shapes) - set(arrays))
    surplus = sorted(set(arrays) - set(shapes) - {METADATA})
    other = [
        f"{name} is {arrays[name].dtype}{list(arrays[name].shape)}, not float32{list(shape)}"
        for name, shape in sorted(shapes.items())
        if name in arrays and (arrays[name].shape, arrays[name].dtype) != (shape, np.float32)
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
