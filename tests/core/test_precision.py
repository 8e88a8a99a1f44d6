"""What is summed in float32 where the rest is computed in bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import precision
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.multi_head import dense
from pv_vae_jax.models.discriminators import Convolution
from pv_vae_jax.models.patches import Embedding, Pixels


def test_a_bias_is_added_in_float32_and_rounded_once():
    y, bias = jnp.full((1, 1), 256, jnp.bfloat16), jnp.full(1, 1.25)
    assert precision.with_bias(y, bias) == jnp.asarray(257.25, jnp.bfloat16)
    assert precision.with_bias(y, bias).dtype == jnp.bfloat16


LAYERS = {
    "convolution": (CausalConv3D(2, dtype="bfloat16"), 4),
    "matrix": (dense(2, "bfloat16", "m"), 4),
    "discriminator": (Convolution(2, (3, 3, 3), (1, 1), "none", "bfloat16"), 4),
    "patches to tokens": (Embedding(4, 2, 2, dtype="bfloat16"), 3),
    "tokens to patches": (Pixels(4, 2, dtype="bfloat16"), 4),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_of_a_bias_counts_all_places(name):
    layer, channels = LAYERS[name]
    x = jnp.zeros((2, 5, 32, 32, channels))
    params = layer.init(jax.random.key(0), x)["params"]

    def total(bias):
        y = layer.apply({"params": params | {"bias": bias}}, x)
        return y.astype(jnp.float32).sum()

    y = layer.apply({"params": params}, x)
    gradient = jax.jit(jax.grad(total))(params["bias"])
    assert gradient.sum() == np.prod(y.shape)  # each number of the result once
