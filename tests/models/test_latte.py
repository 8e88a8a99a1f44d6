import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.costs import collectives, flops, hlo
from pv_vae_jax.models import latte, latte_sizes
from pv_vae_jax.sharding import activations, rules
from pv_vae_jax.sharding import mesh as meshes
from tests.golden.zoo import rule
from tests.sharding.parity import OPTIONS

FIELDS = {"channels": 3, "width": 16, "depth": 4, "heads": 2, "classes": 4}
LATENTS = rule.normal(1, 2, 3, 4, 2, 3)  # B, G, h, w, c
TIMES = np.array([0.1, 0.7], np.float32)
LABELS = np.array([1, 3], np.int32)
INPUTS = LATENTS, TIMES, LABELS


def network(**overrides):
    return latte_sizes.build("latte_tiny", **(FIELDS | overrides))


@functools.cache
def weights(module):
    """None of them zero."""
    flat = trees.flatten(latte_sizes.shapes(module))
    return trees.unflatten({path: rule.tensor(path, s.shape) for path, s in flat.items()})


@functools.cache
def compiled(module, features=()):
    def apply(params, *inputs):
        return module.apply({"params": params}, *inputs, features=features)

    return jax.jit(apply, compiler_options=OPTIONS)


def velocity(module, *inputs):
    return np.asarray(compiled(module)(weights(module), *inputs))


@pytest.fixture(scope="module")
def found():
    return velocity(network(), *INPUTS)


def test_a_fresh_network_says_exactly_zero_with_the_shape_of_its_latents():
    module = network()
    initial = functools.partial(latte_sizes.initial, module)
    params = jax.jit(initial, compiler_options=OPTIONS)(jax.random.key(0))
    fresh = compiled(module)(params, *INPUTS)
    assert fresh.dtype == jnp.float32
    np.testing.assert_array_equal(fresh, np.zeros_like(LATENTS))


def test_time_and_label_change_the_velocity_of_their_own_clip_alone(found):
    changes = (TIMES + np.float32([0, 0.1]), LABELS), (TIMES, LABELS - np.int32([0, 1]))
    for times, labels in changes:
        again = velocity(network(), LATENTS, times, labels)
        np.testing.assert_array_equal(again[0], found[0])
        assert np.abs(again[1] - found[1]).max() > 0.1


def test_clips_in_another_order_have_the_same_velocities(found):
    again = velocity(network(), *(x[::-1] for x in INPUTS))
    np.testing.assert_array_equal(again, found[::-1])


def test_no_label_is_the_null_class_which_knows_nothing_of_the_others():
    module = network()
    null = velocity(module, LATENTS, TIMES, np.full(2, 4, np.int32))
    np.testing.assert_array_equal(velocity(module, LATENTS, TIMES, np.int32([-1, -2])), null)
    flat = trees.flatten(weights(module))
    path = "label_embedding/embedding"
    others = flat | {path: flat[path] - np.float32([1, 1, 1, 1, 0]).reshape(5, 1)}
    run = functools.partial(compiled(module), trees.unflatten(others))
    np.testing.assert_array_equal(run(LATENTS, TIMES, np.full(2, 4, np.int32)), null)
    assert np.abs(run(*INPUTS) - velocity(module, *INPUTS)).max() > 0.1


def test_without_classes_there_is_no_label():
    module = network(classes=0)
    assert "label_embedding" not in latte_sizes.shapes(module)
    assert np.abs(velocity(module, LATENTS, TIMES)).max() > 0.1


@pytest.mark.parametrize("positions", ["sincos", "rotary"])
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (1, 2, 6, 4), (3, 5, 2, 8)])
def test_one_set_of_parameters_serves_latents_of_any_shape(shape, positions):
    module, b = network(patch=2, positions=positions), shape[0]
    latents = jax.ShapeDtypeStruct((*shape, 3), jnp.float32)
    inputs = latents, jnp.zeros(b), jnp.zeros(b, jnp.int32)
    out, kept = jax.eval_shape(compiled(module, (4,)), latte_sizes.shapes(module), *inputs)
    assert out == latents
    assert kept[4].shape == (*shape[:2], shape[2] // 2, shape[3] // 2, 16)


@pytest.mark.parametrize("positions", ["sincos", "rotary"])
def test_places_matter(positions):
    module = network(positions=positions)
    found = velocity(module, *INPUTS)
    for axis in (1, 2, 3):
        again = velocity(module, np.roll(LATENTS, 1, axis), TIMES, LABELS)
        assert np.abs(np.roll(again, -1, axis) - found).max() > 1e-2


def test_a_layer_sees_what_the_blocks_up_to_it_let_it_see():
    other = LATENTS.copy()
    other[:, 1, 2, 1] += 1
    run = compiled(network(), (1, 2))
    (_, kept), (_, again) = (run(weights(network()), x, TIMES, LABELS) for x in (LATENTS, other))
    moved = [np.abs(kept[i] - again[i]).max(axis=(0, 4)) > 0 for i in (1, 2)]
    assert moved[0][1].all() and not moved[0][[0, 2]].any()  # the frame
    assert moved[1].all()


def test_features_are_those_of_a_network_that_ends_there(found):
    module, shallow = network(), network(depth=2)
    params = weights(module)
    again, kept = compiled(module, (2, 4))(params, *INPUTS)
    assert list(kept) == [2, 4]
    np.testing.assert_allclose(again, found, atol=1e-6)
    ends = {name: params[name] for name in weights(shallow)}
    end, short = compiled(shallow, (2,))(ends, *INPUTS)
    np.testing.assert_allclose(kept[2], short[2], atol=1e-5)

    @functools.partial(jax.jit, compiler_options=OPTIONS)
    def last_layer(params, x):
        embedded = latte.TimeEmbedding(16).apply({"params": params["time_embedding"]}, TIMES)
        condition = embedded + params["label_embedding"]["embedding"][LABELS]
        return latte.Final(3).apply({"params": params["final"]}, x, condition)

    np.testing.assert_allclose(last_layer(params, kept[4]), found, atol=1e-5)
    np.testing.assert_allclose(last_layer(params, kept[2]), end, atol=1e-5)


def test_bfloat16_is_near_float32(found):
    again = velocity(network(dtype="bfloat16"), *INPUTS)
    assert again.dtype == np.float32
    error = np.linalg.norm(again - found) / np.linalg.norm(found)
    assert 1e-4 < error < 3e-2


def gradient_of(module):
    def loss(params, *inputs):
        y = module.apply({"params": params}, *inputs)
        return jnp.mean(y**2 + y), y

    return jax.value_and_grad(loss, has_aux=True)


@pytest.fixture(scope="module")
def plain():
    module = network(depth=6)
    (_, value), gradient = jax.jit(gradient_of(module), compiler_options=OPTIONS)(
        weights(module), *INPUTS
    )
    return value, trees.flatten(gradient)


@pytest.mark.parametrize(
    ("remat", "scan"),
    [
        ("block", True),
        pytest.param("block", False, marks=pytest.mark.slow),
        pytest.param("none", True, marks=pytest.mark.slow),
    ],
)
def test_no_form_changes_a_value_a_gradient_or_a_path(plain, remat, scan):
    value, gradient = plain
    module = network(depth=6, remat=remat, scan=scan)
    assert latte_sizes.shapes(module) == latte_sizes.shapes(network(depth=6))
    (_, again), found = jax.jit(gradient_of(module), compiler_options=OPTIONS)(
        weights(module), *INPUTS
    )
    np.testing.assert_allclose(again, value, rtol=1e-5, atol=1e-5)
    for path, leaf in trees.flatten(found).items():
        whole = np.linalg.norm(gradient[path])
        assert whole > 0, path
        assert np.linalg.norm(leaf - gradient[path]) / whole < 1e-4, path


def test_a_loop_really_is_one_and_features_undo_it():
    def program(scan, features=()):
        module = network(depth=6, scan=scan)
        apply = functools.partial(module.apply, features=features)
        return str(jax.make_jaxpr(apply)({"params": weights(module)}, *INPUTS))

    assert "scan[" in program(True)
    assert "scan[" not in program(False) and "scan[" not in program(True, (4,))


@pytest.mark.parametrize("scan", [False, True])
def test_blocks_that_are_not_kept_are_computed_again(scan):
    def counted(**overrides):
        module = network(depth=6, scan=scan, **overrides)
        return flops.of(gradient_of(module), weights(module), *INPUTS)

    kept, again = counted(), counted(remat="block")
    assert kept.model == kept.hardware == again.model
    assert 1.2 < again.hardware / again.model < 1.4


@pytest.fixture(scope="module")
def split():
    """(velocity, collectives) over 4 x 2 devices: clips over data, heads over model."""
    mesh, module = meshes.make_mesh(data=4, model=2), network(width=32)
    params, clips = weights(module), [np.concatenate([x] * 2) for x in INPUTS]
    placed, _ = rules.shardings(mesh, params)

    def apply(params, *inputs):
        with activations.pinned(mesh):
            return module.apply({"params": params}, *inputs)

    data = meshes.over_data(mesh)
    program = jax.jit(apply, in_shardings=(placed, data, data, data), out_shardings=data)
    program = program.lower(params, *clips).compile(OPTIONS)
    moved = jax.device_put((params, *clips), (placed, data, data, data))
    return np.asarray(program(*moved)), collectives.of(hlo.parse(program.as_text()))


def test_eight_devices_say_what_one_says(split):
    expected = velocity(network(width=32), *INPUTS)
    np.testing.assert_allclose(split[0], np.concatenate([expected] * 2), rtol=0, atol=1e-5)


def test_heads_split_over_devices_cost_one_all_reduce_for_each_pair_of_layers(split):
    counts = {kind: traffic.count for kind, traffic in split[1].items()}
    assert counts == {("all-reduce", 2): 2 * 4}


@pytest.mark.parametrize(
    ("overrides", "inputs", "message"),
    [
        ({}, {"x": LATENTS[..., :2]}, r"latents are \[B, G, h, w, 3\]; got 2x3x4x2x2"),
        ({}, {"x": LATENTS[0]}, r"latents are \[B, G, h, w, 3\]; got 3x4x2x3"),
        ({"patch": 4}, {}, "4 rows and 2 columns do not divide into patches of 4 x 4"),
        ({}, {"time": TIMES[:1]}, r"2 clips have 2 times; got the shape \(1,\)"),
        (
            {},
            {"label": None},
            "2 clips have 2 labels, 0 to 4, of which 4 stands for none; got None",
        ),
        ({}, {"label": LABELS[:1]}, r"2 labels, .*; got the shape \(1,\)"),
        ({"classes": 0}, {}, r"knows no classes \(classes = 0\), but got labels"),
        ({}, {"features": (2, 5)}, "the layers are 1 to 4; got 5"),
        ({}, {"features": (0,)}, "the layers are 1 to 4; got 0"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_the_numbers(overrides, inputs, message):
    inputs = {"x": LATENTS, "time": TIMES, "label": LABELS} | inputs
    module = network(**overrides)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(
            lambda params: module.apply({"params": params}, **inputs), latte_sizes.shapes(module)
        )
