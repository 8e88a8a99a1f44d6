"""A trained generator as one file, ``.npz`` or ``.safetensors``, as export.py does a video VAE.

params/block_0/attention/qkv/kernel ...   every parameter, float32, named by its path
metadata                                  JSON: ``kind`` "generator", ``model`` (name and fields
                                          of the network), ``latents`` (models/generator.py),
                                          ``parameters``, ``training``
"""

import os
from typing import Any

import jax.numpy as jnp

from pv_vae_jax.checkpoint import files
from pv_vae_jax.checkpoint.files import read_metadata
from pv_vae_jax.core import storage, trees
from pv_vae_jax.models import latte_sizes
from pv_vae_jax.models.generator import Generator, LatentForm

PARAMS = "params/"


def save(
    path: str | os.PathLike, generator: Generator, extra: dict[str, Any] | None = None
) -> None:
    """Writes a generator; arguments and errors are those of ``export.save``."""
    metadata = {
        "kind": files.GENERATOR,
        "model": generator.config,
        "latents": generator.latents.as_dict(),
        "parameters": generator.parameters,
    }
    found = {PARAMS + name: leaf for name, leaf in trees.flatten(generator.params).items()}
    files.write(path, metadata, found, extra)


def load(path: str | os.PathLike) -> Generator:
    """The generator of a file that :func:`save` wrote.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, foreign, newer, of a video VAE, or its arrays are not those of its
        network.
    """
    path = storage.path(path)
    metadata = read_metadata(path)
    files.check_kind(path, metadata, files.GENERATOR)
    model = files.with_tuples(metadata["model"])
    try:
        module = latte_sizes.build(model["name"], **model["fields"])
    except ValueError as error:
        raise ValueError(f"{path} cannot be rebuilt by this version: {error}") from error
    expected = trees.flatten(latte_sizes.shapes(module))
    found = files.read(path, {PARAMS + name: leaf.shape for name, leaf in expected.items()})
    params = trees.unflatten({name: jnp.asarray(found[PARAMS + name]) for name in expected})
    return Generator(module, params, LatentForm.from_dict(metadata["latents"]), model)
