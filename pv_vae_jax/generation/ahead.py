"""The sampling program of a batch: noise and all steps of the solver, as one jitted function.

    latents = sample(params, indices, labels)                                    sampler.py

Its arguments are shapes with shardings, so it can be compiled for devices that are not here.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from pv_vae_jax.generation import sampler
from pv_vae_jax.models import latte_sizes
from pv_vae_jax.models.generator import Velocity
from pv_vae_jax.models.latte import Latte
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.sharding import shapes


def program(
    module: Latte, shape: tuple[int, int, int, int], count: int, settings: sampler.Sampling,
    mesh: Mesh, seed: int = 0,
) -> tuple[Callable, tuple[Any, ...]]:  # fmt: skip
    """The program, and its arguments (params, indices, labels or None).

    Args:
      module: the network; its parameters are whole on each device.
      shape: ``(G, h, w, c)`` of a sample.
      count: samples, over all devices; each draws its own.
      settings: how.
      mesh: of the devices.
      seed: of the samples.

    Raises:
      ValueError: ``count`` does not divide over the devices.
    """
    meshes.check_batch(mesh, count, 1)
    velocity, over, whole = Velocity(module), meshes.over_data(mesh), meshes.replicated(mesh)

    def draw(params, indices, labels):
        return sampler.sample(
            velocity, params, seed, indices, shape, labels, module.classes, settings
        )

    params = shapes.everywhere(latte_sizes.shapes(module), whole)
    indices = jax.ShapeDtypeStruct((count,), jnp.uint32, sharding=over)
    labels = None
    if module.classes:
        labels = jax.ShapeDtypeStruct((count,), jnp.int32, sharding=over)
    return jax.jit(draw, out_shardings=over), (params, indices, labels)
