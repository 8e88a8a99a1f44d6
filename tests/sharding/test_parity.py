"""Many devices do what one does: gradients of each leaf, losses; and a wrong program is found."""

import re

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from pv_vae_jax.sharding import mesh as meshes
from tests.sharding import parity

COLLECTIVES = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute"


def collectives(text: str) -> dict[str, int]:
    """Elements of the largest result of each kind of collective in a compiled program."""
    found: dict[str, int] = {}
    for types, kind in re.findall(rf"= (\S.*?) ({COLLECTIVES})(?:-start)?\(", text):
        for dims in re.findall(r"\w+\[([\d,]*)\]", types):
            size = int(np.prod([int(d) for d in dims.split(",") if d]))
            found[kind] = max(found.get(kind, 0), size)
    return found


def compare(kind, model, fsdp, linear):
    mesh = meshes.make_mesh(model=model)
    rules = parity.RULES if linear else ()
    program, state = parity.compiled(kind, mesh, linear, rules=rules, fsdp=fsdp, least=1)
    split = {leaf.sharding.spec for leaf in jax.tree.leaves(state)}
    assert any("data" in spec for spec in split) == (fsdp and model < 8)
    assert any("model" in spec for spec in split) == (model > 1 or linear)
    many = parity.trajectory(program, state, mesh)
    return parity.differences(parity.on_one_device(kind, linear), many), program


@pytest.mark.parametrize(("model", "fsdp"), [(1, True), (4, False)], ids=["8x1 FSDP", "2x4"])
def test_many_devices_have_the_gradients_and_losses_of_one(model, fsdp):
    found, program = compare("plain", model, fsdp, linear=True)
    assert not found
    if fsdp:  # kernels (the larger is 3072 x 8) are gathered, clips (8 x 2 x 3072) stay
        moved = collectives(program.as_text())
        assert moved["all-gather"] <= 3072 * 8 and "all-to-all" not in moved


@pytest.mark.slow
def test_a_gan_on_2x4_with_fsdp_has_the_gradients_and_losses_of_one_device():
    found, _ = compare("gan", 4, True, linear=False)
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize("kind", parity.KINDS)
@pytest.mark.parametrize("fsdp", [False, True], ids=["", "FSDP"])
@pytest.mark.parametrize("model", [1, 2, 4, 8], ids=["8x1", "4x2", "2x4", "1x8"])
def test_every_mesh_has_the_gradients_and_losses_of_one_device(model, fsdp, kind):
    found, program = compare(kind, model, fsdp, linear=False)
    assert not found
    if model == 1:
        # What is padded for the CPU's convolutions may move (maps of 4 x 4 here), full maps do not.
        full = parity.CLIPS * 5 * 16 * 16 * 8
        assert all(size < full / 4 for size in collectives(program.as_text()).values())


def sharded_by_hand(mean_over=("data",), split="data"):
    """:func:`parity.trajectory` of a program that says itself what is summed over which devices."""
    mesh = meshes.make_mesh(model=2)
    stage, (modules, start) = parity.stage_of("plain"), parity.networks("plain", True)

    def step(state, clips):
        _, gradient, total = parity.sgd(stage, modules, state, clips)
        if mean_over:
            gradient, total = jax.lax.pmean((gradient, total), mean_over)
        moved = jax.tree.map(lambda p, g: p - parity.RATE * g, state.params, gradient["vae"])
        return state.replace(step=state.step + 1, params=moved), gradient, total

    whole = P()
    program = jax.jit(
        jax.shard_map(
            step, mesh=mesh, in_specs=(whole, P(split)), out_specs=whole, check_vma=False
        )
    )  # fmt: skip
    return parity.trajectory(program, meshes.put_replicated(mesh, start), mesh)


def test_a_missing_psum_and_a_wrong_spec_are_found():
    one = parity.on_one_device("plain", True)
    assert not parity.differences(one, sharded_by_hand())
    without_psum = parity.differences(one, sharded_by_hand(mean_over=()))
    assert {"vae/encoder/kernel", "vae/decoder/kernel", "loss of step 0"} <= set(without_psum)
    # clips split over the axis that is not summed over
    wrong_spec = parity.differences(one, sharded_by_hand(split="model"))
    assert {"vae/encoder/kernel", "vae/decoder/kernel", "loss of step 0"} <= set(wrong_spec)
