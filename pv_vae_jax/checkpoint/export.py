"""A trained model as one file, ``.npz`` or ``.safetensors``, that NumPy or safetensors alone read.

    params/encoder/conv_in/kernel ...   every parameter, named by its path in the tree
    latents/mean, latents/std           the latent statistics [c]
    metadata                            JSON (where it stands: core/arrays.py)

Arrays are float32, or float16 where that was asked for, and float32 in memory.  The JSON has
``format``, ``package_version``, ``model`` (name and fields), ``spec``, ``parameters``
and ``training`` (free).  Nothing is pickled: ``numpy.load(path, allow_pickle=False)`` or
``safetensors.numpy.load_file(path)`` is enough.  A damaged file is refused.
"""

import dataclasses
import os
from typing import Any

import jax.numpy as jnp

from pv_vae_jax.checkpoint import files
from pv_vae_jax.checkpoint.files import read_metadata
from pv_vae_jax.core import arrays, storage, trees
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry

SUFFIXES = arrays.SUFFIXES
MEAN, STD, PARAMS = "latents/mean", "latents/std", "params/"


def save(
    path: str | os.PathLike,
    vae: VideoVAE,
    extra: dict[str, Any] | None = None,
    dtype: str = "float32",
) -> None:
    """Writes a model; the file appears whole or not at all.

    Args:
      path: ends in ``.npz`` or ``.safetensors``; its folder is created; a file that is there is
        replaced.
      vae: the model; ``vae.config`` is its name and fields.
      extra: what is known of its training, as JSON values: the metadata's ``training``.
      dtype: of the arrays in the file, float32 or float16 (half the size, rounded).

    Raises:
      ValueError: the name ends in neither, ``extra`` is not JSON, or no such dtype.
      OSError: the folder cannot be written.
    """
    metadata = {
        "model": vae.config,
        "spec": dataclasses.asdict(vae.spec),
        "parameters": vae.parameters,
    }
    found = {PARAMS + name: leaf for name, leaf in trees.flatten(vae.params).items()}
    files.write(path, metadata, found | {MEAN: vae.mean, STD: vae.std}, extra, dtype)


def load(
    path: str | os.PathLike, weights: str | os.PathLike | None = None, **overrides: Any
) -> VideoVAE:
    """The model of a file that :func:`save` wrote, or a baseline with public weights.

    Args:
      path: an export; with ``weights`` the name of a baseline.
      weights: a public checkpoint of that baseline.
      **overrides: of the model's fields, such as ``dtype="bfloat16"`` or ``remat="block"``.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, foreign, newer, or its arrays are not those of its model.
    """
    if weights is not None:
        return registry.from_reference(str(path), weights, **overrides)
    path = storage.path(path)
    metadata = read_metadata(path)
    files.check_kind(path, metadata, files.VIDEO_VAE)
    model = files.with_tuples(metadata["model"])
    model = model | {"fields": model["fields"] | overrides}
    try:
        module = registry.build(model["name"], **model["fields"])
    except ValueError as error:
        raise ValueError(f"{path} cannot be rebuilt by this version: {error}") from error
    channels = module.spec.channels
    expected = trees.flatten(registry.shapes(module))
    shapes = {PARAMS + name: leaf.shape for name, leaf in expected.items()}
    found = files.read(path, shapes | {MEAN: (channels,), STD: (channels,)})
    params = trees.unflatten({name: jnp.asarray(found[PARAMS + name]) for name in expected})
    return VideoVAE(module, params, found[MEAN], found[STD], model)


def is_export(path: str | os.PathLike) -> bool:
    """Whether a file is what :func:`save` writes: by its name, a safetensors by its metadata."""
    name = str(path)
    if name.endswith(".safetensors"):
        return arrays.read_text(path) is not None
    return name.endswith(SUFFIXES)
