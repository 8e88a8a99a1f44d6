"""The phases of a step have names, by which a trace of it can be read."""

import re

import jax
import jax.numpy as jnp
import pytest

from pv_vae_jax import objective
from tests import tiny


@pytest.fixture(scope="module")
def text():
    module, batch = tiny.LinearVAE(), tiny.batch()
    params = module.init(jax.random.key(1), jnp.zeros((1, 5, 16, 16, 3)))["params"]
    keys = objective.Keys(jax.random.key(2), jax.random.key(3))

    def gradient(params):
        return objective.value_and_gradient(module, params, {}, batch, {"mse": 1.0}, keys)[0]

    return jax.jit(gradient).lower(params).as_text(debug_info=True)


@pytest.mark.parametrize("phase", ["encode", "decode"])
def test_forward_and_backward_pass_of_a_phase_have_its_name(text, phase):
    assert f"jvp({phase})" in text and f"transpose(jvp({phase}))" in text


def test_the_losses_have_their_name(text):
    assert re.search(r'"jit\(gradient\)[^"]*\blosses\b', text)  # a file's path does not count
