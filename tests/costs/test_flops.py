import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from pv_vae_jax.costs import flops
from pv_vae_jax.layers.convolution import causal_conv3d


def shape(*sizes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(sizes, dtype)


def count(function, *args, **kwargs):
    return flops.of(function, *args, **kwargs).hardware


def test_a_matmul_costs_two_per_product():
    assert count(jnp.matmul, shape(3, 5), shape(5, 7)) == 2 * 3 * 5 * 7
    # a batch of 4 of 3x5 by 5x7
    assert count(jnp.matmul, shape(4, 3, 5), shape(4, 5, 7)) == 4 * 2 * 3 * 5 * 7


def conv(x, w, stride=1, padding="VALID", groups=1, holes=1, spread=1):
    return lax.conv_general_dilated(
        x, w, (stride,) * 2, padding, (holes,) * 2, (spread,) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
    )  # fmt: skip


def test_a_convolution_costs_two_per_tap_and_output():
    # 6x6 by 3x3: 4x4 outputs of 9 taps, 2 clips, 5 to 7 channels
    assert count(conv, shape(2, 6, 6, 5), shape(3, 3, 5, 7)) == 2 * 2 * 16 * 9 * 5 * 7
    strided = lambda x, w: conv(x, w, stride=2)  # noqa: E731  outputs at 0, 2
    assert count(strided, shape(2, 6, 6, 5), shape(3, 3, 5, 7)) == 2 * 2 * 4 * 9 * 5 * 7


def test_padding_and_holes_cost_nothing():
    # 4 values, pad 1, 3 taps: 2 + 3 + 3 + 2 pairs in each of two dimensions
    same = lambda x, w: conv(x, w, padding="SAME")  # noqa: E731
    assert count(same, shape(1, 4, 4, 1), shape(3, 3, 1, 1)) == 2 * 10 * 10
    # values at 0, 2, 4 of 5 places, 3 taps, 3 outputs: 2 + 1 + 2 pairs
    holed = lambda x, w: conv(x, w, holes=2, padding=((0, 0),) * 2)  # noqa: E731
    assert count(holed, shape(1, 3, 3, 1), shape(3, 3, 1, 1)) == 2 * 5 * 5
    # a kernel spread to 5 places has 2 outputs of 3 taps on 6 values
    spread = lambda x, w: conv(x, w, spread=2)  # noqa: E731
    assert count(spread, shape(1, 6, 6, 1), shape(3, 3, 1, 1)) == 2 * 6 * 6


def test_groups_of_features_divide_the_cost():
    grouped = lambda x, w: conv(x, w, groups=2)  # noqa: E731
    assert count(grouped, shape(1, 5, 5, 4), shape(3, 3, 2, 6)) == 2 * 9 * 9 * 2 * 6


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_each_gradient_of_a_convolution_costs_what_the_convolution_costs(groups, stride, padding):
    x, w = shape(2, 8, 8, 4), shape(3, 3, 4 // groups, 6)
    function = lambda x, w: conv(x, w, stride, padding, groups)  # noqa: E731
    forward = count(function, x, w)
    loss = lambda x, w: jnp.sum(function(x, w) ** 2)  # noqa: E731
    assert count(jax.grad(loss), x, w) == 2 * forward
    assert count(jax.grad(loss, argnums=(0, 1)), x, w) == 3 * forward


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (1, 2)])
def test_training_a_causal_convolution_costs_three_times_its_forward_pass(strides):
    x, w = shape(1, 5, 8, 8, 4), shape(3, 3, 3, 4, 6)
    forward = count(lambda x, w: causal_conv3d(x, w, strides), x, w)
    both = jax.grad(lambda x, w: jnp.sum(causal_conv3d(x, w, strides) ** 2), argnums=(0, 1))
    assert count(both, x, w) == 3 * forward


def test_the_count_is_xlas_own_where_there_is_neither_scan_nor_choice():
    x, w = shape(2, 8, 8, 4), shape(3, 3, 4, 6)

    def function(x, w):
        y = conv(conv(x, w, padding="SAME"), jnp.ones((3, 3, 6, 4)), stride=2, padding="SAME")
        return jnp.einsum("bhwc,bhwd->bcd", y, y)

    theirs = jax.jit(function).lower(x, w).cost_analysis()["flops"]
    assert count(function, x, w) == pytest.approx(theirs, rel=0.02)  # theirs counts additions too


def layers(x, ws, scanned):
    layer = lambda x, w: (jnp.tanh(x @ w), None)  # noqa: E731
    if scanned:
        return lax.scan(layer, x, ws)[0]
    for w in ws:
        x, _ = layer(x, w)
    return x


@pytest.mark.parametrize("checkpoint", [False, True])
def test_scanned_layers_cost_what_unrolled_ones_cost(checkpoint):
    x, ws = shape(3, 8), shape(5, 8, 8)

    def gradient(scanned):
        def loss(x, ws):
            return jnp.sum(layers(x, ws, scanned) ** 2)

        return jax.value_and_grad(jax.checkpoint(loss) if checkpoint else loss, argnums=(0, 1))

    unrolled, scanned = (flops.of(gradient(scanned), x, ws) for scanned in (False, True))
    assert scanned == unrolled
    assert scanned.model == 3 * 5 * 2 * 3 * 8 * 8


def test_what_is_computed_again_is_the_hardwares_and_not_the_models():
    x, w = shape(3, 8), shape(8, 8)
    one = 2 * 3 * 8 * 8

    def block(x, w):
        return jnp.tanh(jnp.tanh(x @ w) @ w)

    def loss(block):
        return lambda x, w: jnp.sum(block(block(x, w), w))

    gradients = [
        jax.value_and_grad(loss(b), argnums=(0, 1)) for b in (block, jax.checkpoint(block))
    ]
    plain, again = (flops.of(gradient, x, w) for gradient in gradients)
    assert plain.model == plain.hardware == again.model == 3 * 4 * one
    assert again.hardware == (3 * 4 + 4) * one  # both products of both blocks


def test_what_nothing_uses_costs_nothing():
    x, w = shape(3, 8), shape(8, 8)

    def last_of_two(x, w):
        _, pullback = jax.vjp(lambda a, b: jnp.tanh(x @ a) @ b, w, w)
        return pullback(jnp.ones((3, 8)))[1]  # one product forward, one for the last matrix

    assert count(last_of_two, x, w) == 2 * 2 * 3 * 8 * 8


def test_a_choice_counts_the_platforms_branch_once_and_else_the_dearest():
    x = shape(4, 4)
    once, twice = (lambda x: x @ x), (lambda x: x @ x @ x)
    by_platform = lambda x: lax.platform_dependent(x, cpu=once, default=twice)  # noqa: E731
    assert count(by_platform, x) == 2 * 2 * 4**3
    assert count(by_platform, x, platform="cpu") == 2 * 4**3
    by_value = lambda x: lax.cond(x[0, 0] > 0, once, twice, x)  # noqa: E731
    assert count(by_value, x) == 2 * 2 * 4**3


def test_a_shard_map_counts_for_each_of_its_devices():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.P("data")
    sharded = jax.shard_map(lambda x, w: x @ w, mesh=mesh, in_specs=(spec, jax.P()), out_specs=spec)
    assert count(sharded, shape(16, 4), shape(4, 4)) == 2 * 16 * 4 * 4


def test_float32_at_the_highest_precision_is_told_apart():
    def function(x):
        return jnp.matmul(x, x, precision=lax.Precision.HIGHEST) + x @ x, (
            x.astype(jnp.bfloat16) @ x.astype(jnp.bfloat16)
        )

    one = 2 * 4**3
    found = flops.of(function, shape(4, 4)).by_arithmetic
    assert found == {"bfloat16": one, "float32": one, "float32 highest": one}


def test_a_loop_of_unknown_length_is_refused():
    def function(x):
        return lax.while_loop(lambda x: jnp.sum(x) < 1, lambda x: x @ x, x)

    with pytest.raises(ValueError, match="not known before; write it as lax.scan"):
        flops.of(function, shape(4, 4))
    # without matmuls in it there is nothing to multiply
    harmless = lambda x: lax.while_loop(lambda x: jnp.sum(x) < 1, lambda x: x + 1, x)  # noqa: E731
    assert count(harmless, shape(4, 4)) == 0


def test_a_loop_of_fixed_bounds_counts_each_turn():
    function = lambda x: lax.fori_loop(0, 6, lambda i, x: x @ x, x)  # noqa: E731
    assert count(function, shape(4, 4)) == 6 * 2 * 4**3


def test_hidden_work_is_refused():
    def function(x):
        return jax.pure_callback(np.asarray, shape(4, 4), x)

    with pytest.raises(ValueError, match="pure_callback hides its work"):
        flops.of(function, shape(4, 4))
