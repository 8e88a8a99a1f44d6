import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.costs import collectives, flops, hlo
from pv_vae_jax.models import streaming
from pv_vae_jax.models.stack import REMATS, Stack
from pv_vae_jax.sharding import activations, rules
from pv_vae_jax.sharding import mesh as meshes
from tests import tiny
from tests.sharding.parity import OPTIONS

CLIP = np.random.default_rng(0).normal(size=(2, 3, 8, 8, 4)).astype(np.float32)
FORMS = [(remat, scan) for remat in REMATS for scan in (False, True)]


def stack(remat="none", scan=False, features=8, blocks=3):
    return Stack(features, blocks, "replicate", "float32", remat, scan)


def gradient_of(module):
    def loss(params, clip):
        y = module.apply({"params": params}, clip)
        return jnp.mean(y**2 + y), y

    return jax.value_and_grad(loss, has_aux=True)


def run(function, *args):
    return jax.jit(function).lower(*args).compile(OPTIONS)(*args)


@pytest.fixture(scope="module")
def plain():
    params = run(stack().init, jax.random.key(1), CLIP)["params"]
    (_, value), gradient = run(gradient_of(stack()), params, CLIP)
    return params, value, trees.flatten(gradient)


@pytest.mark.parametrize(("remat", "scan"), FORMS[1:])
def test_no_form_changes_a_value_a_gradient_or_a_path(plain, remat, scan):
    params, value, gradient = plain
    module = stack(remat, scan)
    assert jax.eval_shape(module.init, jax.random.key(0), CLIP)["params"].keys() == params.keys()
    (_, again), found = run(gradient_of(module), params, CLIP)
    np.testing.assert_allclose(again, value, rtol=1e-5, atol=1e-5)
    for path, leaf in trees.flatten(found).items():
        distance = jnp.linalg.norm(leaf - gradient[path]) / jnp.linalg.norm(gradient[path])
        assert float(distance) < 1e-5, path


def counted(remat, scan):
    module = stack(remat, scan)
    params = jax.eval_shape(module.init, jax.random.key(0), CLIP)["params"]
    return flops.of(gradient_of(module), params, CLIP)


def test_only_blocks_that_are_not_kept_cost_convolutions_again():
    found = {remat: counted(remat, False) for remat in REMATS}
    assert len({of.model for of in found.values()}) == 1
    again = {remat: of.hardware - of.model for remat, of in found.items()}
    assert again["none"] == again["convolutions"] == 0
    assert 0 < again["block"] <= again["layers"] < found["none"].model / 2


@pytest.mark.parametrize("remat", REMATS)
def test_a_loop_counts_the_flops_of_its_blocks(remat):
    assert counted(remat, True) == counted(remat, False)


def test_a_loop_really_is_one():
    def program(scan):
        module = stack("block", scan)
        params = jax.eval_shape(module.init, jax.random.key(0), CLIP)["params"]
        return str(jax.make_jaxpr(gradient_of(module))(params, CLIP))

    assert "scan[" in program(True) and "scan[" not in program(False)


@functools.cache
def sent(scan: bool):
    """Bytes of each kind of collective that a device sends in the gradient, kernels by FSDP."""
    mesh, clips = meshes.make_mesh(), jax.ShapeDtypeStruct((8, 3, 8, 8, 16), np.float32)
    module = stack("block", scan, features=16)
    params = jax.eval_shape(module.init, jax.random.key(0), clips)["params"]
    placed, _ = rules.shardings(mesh, params, [("kernel$", ("data",))])

    def gradient(params, clips):
        with activations.pinned(mesh):
            return gradient_of(module)(params, clips)[1]

    program = jax.jit(gradient, in_shardings=(placed, meshes.over_data(mesh)), out_shardings=placed)
    text = program.lower(params, clips).compile(OPTIONS).as_text()
    total = {}
    for (kind, _), traffic in collectives.of(hlo.parse(text)).items():
        total[kind] = total.get(kind, 0) + traffic.sent
    return total


def test_a_loop_sends_what_its_blocks_send():
    looped, unrolled = sent(True), sent(False)
    assert looped.keys() == unrolled.keys()
    assert looped == pytest.approx(unrolled, rel=0.02), (looped, unrolled)


def test_a_scanned_model_streams():
    module = tiny.module(decoder_blocks=(3, 0, 0), scan=True)
    z = jax.random.normal(jax.random.key(2), (1, 3, 2, 2, 4))
    params = run(functools.partial(module.init, method="decode_raw"), jax.random.key(1), z)
    whole = run(functools.partial(module.apply, method="decode_raw"), params, z)
    chunks = streaming.decode_stream(module, params["params"], [z[:, :1], z[:, 1:]])
    np.testing.assert_allclose(jnp.concatenate(list(chunks), axis=1), whole, atol=5e-5)
