"""Clips stay where they are, and split kernels come to them."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.layers.resample import Upsample
from pv_vae_jax.sharding import activations, rules
from pv_vae_jax.sharding import mesh as meshes
from tests.sharding.parity import OPTIONS
from tests.sharding.test_parity import collectives

MESH = meshes.make_mesh()
WIDTH, SHAPE = 16, (8, 5, 8, 8, 16)
KERNEL = 27 * WIDTH * WIDTH  # elements; the clips after upsampling have 8 x 9 x 16 x 16 x 16


def moved(around) -> dict[str, int]:
    """Collectives of the gradient of an upsampling, its kernel's outputs split over ``data``."""
    module = Upsample((2, 2))
    params = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros(SHAPE))["params"]
    placed = rules.shardings(MESH, params, [("kernel", ("data",))])

    def loss(params, x):
        with around(MESH):
            return jnp.mean(jnp.square(module.apply({"params": params}, x)))

    clips = jax.ShapeDtypeStruct(SHAPE, np.float32)
    program = jax.jit(
        jax.grad(loss),
        in_shardings=(placed, meshes.over_data(MESH)),
        out_shardings=placed,
    )
    return collectives(program.lower(params, clips).compile(OPTIONS).as_text())


def test_pinned_clips_stay_and_without_pins_they_move():
    pinned = moved(activations.pinned)
    assert "all-to-all" not in pinned and pinned["all-gather"] <= KERNEL
    left_open = moved(lambda mesh: contextlib.nullcontext())
    assert "all-to-all" in left_open or left_open["all-gather"] > KERNEL
