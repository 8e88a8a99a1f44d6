"""Every video VAE by name: fresh weights, or its shape without allocating anything."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from pv_vae_jax.core import rng, trees
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.models import sizes
from pv_vae_jax.models.video_vae import VideoVAE


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of a model from its shapes: latent spec, number of parameters, their table."""

    name: str
    spec: LatentSpec
    parameters: int
    table: str


def _smallest_clip(spec: LatentSpec) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, 1, spec.spatial, spec.spatial, 3), jnp.float32)


def describe(name: str, **overrides: Any) -> Description:
    """A named model's spec, parameter count and table; allocates nothing.

    Raises:
      ValueError: no such name or field; the message lists those that exist.
    """
    module = sizes.build(name, **overrides)
    shapes = jax.eval_shape(module.init, jax.random.key(0), _smallest_clip(module.spec))
    params = shapes["params"]
    return Description(name, module.spec, trees.count(params), trees.table(params))


def create(name: str, seed: int = 0, **overrides: Any) -> VideoVAE:
    """A named model with fresh weights, a function of ``seed``, and statistics 0 and 1.

    Raises:
      ValueError: as :func:`describe`.
    """
    module = sizes.build(name, **overrides)
    clip = jnp.zeros(_smallest_clip(module.spec).shape)
    params = jax.jit(module.init)(rng.stream_key(seed, "init"), clip)["params"]
    channels = module.spec.channels
    config = {"name": name, "fields": sizes.fields(name, **overrides)}
    return VideoVAE(module, params, jnp.zeros(channels), jnp.ones(channels), config)
