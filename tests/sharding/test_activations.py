"""Clips stay where they are, and split kernels come to them."""

import contextlib

import flax.linen as nn
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
    placed, _ = rules.shardings(MESH, params, [("kernel", ("data",))])

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


def test_parameters_that_a_module_holds_for_others_are_no_clips():
    """Their first axis is of a kernel (zoo/iv_vae_layers.py), not of a batch."""

    class Weights(nn.Module):
        @nn.compact
        def __call__(self):
            return self.param("kernel", nn.initializers.ones, (8, 1, 1, 4, 4))

    class Mixed(nn.Module):
        @nn.compact
        def __call__(self, x):
            return jnp.einsum("btzyc,ktzcd->btzyd", x, Weights()())

    def traced(module, *arguments):
        def apply(params, *arguments):
            with activations.pinned(MESH):
                return module.apply(params, *arguments)

        params = jax.eval_shape(module.init, jax.random.key(0), *arguments)
        return str(jax.make_jaxpr(apply)(params, *arguments))

    x = jnp.zeros((8, 1, 1, 2, 4))
    assert "sharding_constraint" not in traced(Weights())
    assert traced(Mixed(), x).count("sharding_constraint[") == 1  # its result alone
