"""Transformer blocks whose heads and hidden layers are split over ``model``: as on one device."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.costs import collectives, hlo
from pv_vae_jax.models import latte_sizes
from pv_vae_jax.sharding import activations, rules
from pv_vae_jax.sharding import mesh as meshes
from tests import tiny
from tests.golden.zoo import rule
from tests.sharding.parity import OPTIONS

CLIPS = 4
VIDEO = np.random.default_rng(0).uniform(-1, 1, (CLIPS, 5, 16, 16, 3)).astype(np.float32)
LATENTS = rule.normal(1, CLIPS, 2, 2, 2, 4)
TIMES = np.linspace(0.1, 0.9, CLIPS, dtype=np.float32)
LATTE = {"channels": 4, "width": 32, "depth": 2, "heads": 2, "qk_norm": True}


def vae_loss(module, params, video):
    def apply(method, x):
        return module.apply({"params": params}, x, method=method)

    posterior = apply("posterior", video)
    again = apply("decode_raw", posterior.mean + 0.1 * posterior.logvar)
    return jnp.mean((again - video) ** 2)


def latte_loss(module, params, latents, times):
    return jnp.mean((module.apply({"params": params}, latents, times) - latents) ** 2)


@functools.cache
def case(name):
    """(loss of the parameters and clips, parameters none of which is zero, clips)."""
    if name == "latte":
        module, loss, clips = latte_sizes.build("latte_tiny", **LATTE), latte_loss, (LATENTS, TIMES)
        shapes = latte_sizes.shapes(module)
    else:
        module = tiny.transformer() if name == "transformer" else tiny.hybrid()
        loss, clips = vae_loss, (VIDEO,)
        shapes = jax.eval_shape(module.init, jax.random.key(0), VIDEO)["params"]
    flat = {path: rule.tensor(path, s.shape) for path, s in trees.flatten(shapes).items()}
    return functools.partial(loss, module), trees.unflatten(flat), clips


def run(name, data, model, fsdp):
    """(loss, gradient by path, program) on ``data`` x ``model`` devices, by the default rules."""
    loss, params, clips = case(name)
    mesh = meshes.make_mesh(data=data, model=model, devices=jax.devices()[: data * model])
    placed, _ = rules.shardings(mesh, params, fsdp=fsdp, least=1)

    def function(params, *clips):
        with activations.pinned(mesh):
            return jax.value_and_grad(loss)(params, *clips)

    over = meshes.over_data(mesh)
    shardings = (placed, *(over for _ in clips))
    program = jax.jit(function, in_shardings=shardings, out_shardings=(meshes.replicated(mesh),
                                                                       placed))  # fmt: skip
    program = program.lower(params, *clips).compile(OPTIONS)
    value, gradient = program(*jax.device_put((params, *clips), shardings))
    return float(value), trees.flatten(jax.device_get(gradient)), program


@functools.cache
def on_one_device(name):
    return run(name, 1, 1, False)[:2]


@pytest.mark.parametrize(
    ("name", "data", "model", "fsdp"),
    [
        ("latte", 1, 2, False),
        ("transformer", 2, 2, True),
        pytest.param("latte", 4, 2, True, marks=pytest.mark.slow),
        pytest.param("transformer", 1, 2, False, marks=pytest.mark.slow),
        pytest.param("transformer", 4, 2, True, marks=pytest.mark.slow),
        pytest.param("hybrid", 2, 2, True, marks=pytest.mark.slow),
    ],
)
def test_split_heads_have_the_loss_and_gradients_of_one_device(name, data, model, fsdp):
    expected, gradient = on_one_device(name)
    value, found, program = run(name, data, model, fsdp)
    assert value == pytest.approx(expected, rel=1e-5)
    norm = np.sqrt(sum(np.linalg.norm(leaf) ** 2 for leaf in gradient.values()))
    for path, leaf in gradient.items():
        allowed = 1e-5 * max(np.linalg.norm(leaf), 1e-2 * norm)
        assert np.linalg.norm(found[path] - leaf) <= allowed, path
    if not fsdp:  # one all-reduce forward and one backward for each pair of layers
        moved = collectives.of(hlo.parse(program.as_text()))
        assert {kind for kind, _ in moved} == {"all-reduce"}


@pytest.mark.parametrize("name", ["latte", "transformer"])
def test_heads_and_hidden_layers_are_split_by_the_default_rules(name):
    _, params, _ = case(name)
    placed = trees.flatten(rules.shardings(meshes.make_mesh(model=2), params)[0])
    of = {path: tuple(sharding.spec) for path, sharding in placed.items()}
    for path, spec in of.items():
        if path.endswith(("qkv/kernel", "qkv/bias", "mlp_in/kernel", "mlp_in/bias")):
            assert spec[-1] == "model", path
        elif path.endswith(("attention/out/kernel", "mlp_out/kernel")):
            assert spec == ("model", None), path
        else:
            assert spec == (), path
    assert sum("model" in spec for spec in of.values()) == 2 * 6
