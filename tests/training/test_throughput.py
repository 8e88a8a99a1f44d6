"""The rates of a line of the log."""

import jax
import jax.numpy as jnp
import pytest

from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.training import throughput


def test_flops_are_summed_over_the_updates_and_compared_with_all_devices():
    values = throughput.values([300, 500], 4.0, ["TPU v5 lite", "TPU v5 lite"])
    assert values == {"flops_per_second": 200.0, "mfu": pytest.approx(200 / (2 * 197e12))}


@pytest.mark.parametrize("kinds", [["cpu"], ["TPU v5 lite", "cpu"]])
def test_without_a_known_peak_there_is_no_utilisation(kinds):
    assert throughput.values([8], 2.0, kinds) == {"flops_per_second": 4.0}


def test_an_update_of_unknown_work_is_not_counted_as_none():
    assert throughput.values([8, None], 2.0, ["cpu"]) == {}


def test_a_program_is_counted_by_its_matmuls():
    matmul = jax.jit(lambda a, b: a @ b)
    assert throughput.model_flops(matmul, jnp.zeros((2, 3)), jnp.zeros((3, 5))) == 2 * 2 * 3 * 5


def test_a_convolution_is_counted_as_what_it_is_and_not_as_the_form_that_runs_it():
    """On CPU a kernel of 3 x 3 x 3 runs by Winograd, with half of the multiplications."""
    module = CausalConv3D(8, (3, 3, 3))
    x = jnp.zeros((1, 5, 16, 16, 8))
    params = jax.eval_shape(module.init, jax.random.key(0), x)
    counted = throughput.model_flops(jax.jit(module.apply), params, x)
    assert counted == pytest.approx(2 * 27 * 8 * 8 * 5 * 16 * 16, rel=0.15)  # padding is skipped


def test_a_program_of_unknown_work_is_said_and_does_not_end_the_run():
    shape = jax.ShapeDtypeStruct((), jnp.float32)
    opaque = jax.jit(lambda x: jax.pure_callback(lambda y: y, shape, x))
    with pytest.warns(UserWarning, match="mfu"):
        assert throughput.model_flops(opaque, jnp.float32(1)) is None
