"""Every video VAE by name: the module, fresh weights, public weights, or its shape alone.

sizes of PV-VAE     models/sizes.py
baselines           wan, hunyuan, cogvideox, ssvae, wf_vae, iv_vae of this folder
"""

import dataclasses
import functools
import os
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import fields as named_fields
from pv_vae_jax.core import rng, trees
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.models import sizes
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import checkpoints, cogvideox, hunyuan, iv_vae, ssvae, wan, wf_vae
from pv_vae_jax.zoo.baseline import Baseline

BASELINES: dict[str, Baseline] = (
    cogvideox.BASELINES
    | iv_vae.BASELINES
    | wf_vae.BASELINES
    | hunyuan.BASELINES
    | wan.BASELINES
    | ssvae.BASELINES
)


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of a model from its shapes: latent spec, number of parameters, their table."""

    name: str
    spec: LatentSpec
    parameters: int
    table: str


def names() -> tuple[str, ...]:
    """All names: the sizes of PV-VAE, then the baselines."""
    return (*sizes.SIZES, *BASELINES)


def fields(name: str, **overrides: Any) -> dict[str, Any]:
    """All fields of a named model, with overrides.

    Raises:
      ValueError: no such name or field; the message lists those that exist.
    """
    table = sizes.SIZES | {each: baseline.fields for each, baseline in BASELINES.items()}
    return named_fields.named(table, "model", name, overrides)


def build(name: str, **overrides: Any) -> nn.Module:
    """The module of a named model; ValueError as :func:`fields`, or if a field does not fit."""
    known = fields(name, **overrides)
    return BASELINES[name].build(**known) if name in BASELINES else sizes.build(name, **known)


def shapes(module: nn.Module) -> trees.Tree:
    """The parameters of a module as shapes; allocates nothing."""
    return jax.eval_shape(functools.partial(initial, module), jax.random.key(0))


def describe(name: str, **overrides: Any) -> Description:
    """A named model's spec, parameter count and table; allocates nothing.

    Raises:
      ValueError: no such name or field; the message lists those that exist.
    """
    module = build(name, **overrides)
    params = shapes(module)
    return Description(name, module.spec, trees.count(params), trees.table(params))


def statistics(name: str, **overrides: Any) -> tuple[np.ndarray, np.ndarray]:
    """Latent mean and std ``[c]`` of the published weights; 0 and 1 where there are none.

    Raises:
      ValueError: no such name or field; the message lists those that exist.
    """
    known = fields(name, **overrides)
    if name in BASELINES:
        return BASELINES[name].statistics(known)
    channels = known["channels"]
    return np.zeros(channels, np.float32), np.ones(channels, np.float32)


def initial(module: nn.Module, key: jax.Array) -> trees.Tree:
    """Fresh parameters of a module, to be called under jit."""
    # Some layers see the first frame otherwise than the rest.
    frames, side = 1 + module.spec.temporal, module.spec.spatial
    return module.init(key, jnp.zeros((1, frames, side, side, 3)))["params"]


def with_paddings(module: nn.Module, leaves: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """``leaves`` by path, with fresh paddings, those of :func:`create`, where they have none."""
    has = {path.split("/")[0] for path in leaves}
    missing = {"padding", "pixel_padding"} & set(shapes(module)) - has
    if not missing:
        return leaves

    def fresh(key):
        params = initial(module, key)
        return {name: params[name] for name in missing}

    return trees.flatten(jax.jit(fresh)(rng.stream_key(seed, "init"))) | leaves


def create(name: str, seed: int = 0, **overrides: Any) -> VideoVAE:
    """A named model with fresh weights, a function of ``seed``; statistics as published.

    Raises:
      ValueError: as :func:`describe`.
    """
    module = build(name, **overrides)
    params = jax.jit(functools.partial(initial, module))(rng.stream_key(seed, "init"))
    config = {"name": name, "fields": fields(name, **overrides)}
    return VideoVAE(module, params, *statistics(name, **overrides), config)


def from_reference(name: str, weights: str | os.PathLike, **overrides: Any) -> VideoVAE:
    """A baseline with the weights of a public checkpoint.

    Args:
      name: of a baseline.
      weights: a file in one of its published layouts, ``.safetensors``, ``.pth`` or ``.ckpt``.
      **overrides: of its fields.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no such baseline or field, or the file is damaged or of another model; the message
        says which it looks like and where it first differs.
    """
    if name not in BASELINES:
        raise ValueError(
            f"{name!r} has no public checkpoints; those that have are: {', '.join(BASELINES)}."
        )
    module = build(name, **overrides)
    config = {"name": name, "fields": fields(name, **overrides)}
    leaves = checkpoints.read(weights, name, config["fields"], shapes(module), BASELINES)
    leaves = with_paddings(module, leaves)
    params = trees.unflatten({path: jnp.asarray(leaf) for path, leaf in leaves.items()})
    return VideoVAE(module, params, *statistics(name, **overrides), config)


def to_reference(path: str | os.PathLike, vae: VideoVAE, layout: str) -> None:
    """Writes a baseline as ``.safetensors`` under the names of its reference implementation.

    Args:
      path: of the file.
      vae: a baseline; paddings and latent statistics have no place in these layouts.
      layout: "official" or "diffusers".

    Raises:
      ValueError: the model is no baseline, has no such layout, or the name has another ending.
    """
    name = vae.config["name"]
    if name not in BASELINES:
        raise ValueError(f"{name} has no reference implementation, so no layout {layout!r} either.")
    checkpoints.write(path, layout, BASELINES[name], vae.config["fields"], vae.params)
