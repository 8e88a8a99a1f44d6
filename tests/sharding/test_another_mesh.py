"""A checkpoint of eight devices goes on on fewer, and on another mesh, with the same losses."""

import jax
import numpy as np
import pytest

from pv_vae_jax.checkpoint.manager import Checkpoints
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import placement, restore, vae_step
from pv_vae_jax.training.optimizers import Optimizer
from tests import tiny
from tests.sharding import parity

STAGE = parity.stage_of("plain")
STAGE = type(STAGE)(**vars(STAGE) | {"optimizer": Optimizer(learning_rate=1e-3, warmup=1, ema=0.5)})
MODULES = vae_step.Networks(tiny.LinearVAE())


def placed_on(mesh, **settings):
    return placement.of_state(STAGE, mesh, parity.networks("plain", True)[1], **settings)


def losses(placed, state, first: int, last: int):
    """Real updates ``first`` to ``last``: (state, totals)."""
    over = meshes.over_data(placed.mesh)
    step = vae_step.compiled(MODULES, STAGE, 0, vae_step.Program(), placed.shardings, over)
    found = []
    for number in range(first, last):
        batch = meshes.put_batch(placed.mesh, parity.batch_at(number))
        state, report = step(state, batch, None)
        found.append(float(report["total"][0] / report["total"][1]))
    return state, found


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(checkpoints with step 2 of 8x1 with FSDP, the state there, the losses of steps 2 to 5)."""
    placed = placed_on(meshes.make_mesh(), fsdp=True, least=1)
    start = meshes.put(placed.shardings, parity.networks("plain", True)[1])
    state, _ = losses(placed, start, 0, 2)
    host = meshes.to_host(state)
    checkpoints = Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    checkpoints.save(2, state, {"step": 2})
    after, expected = losses(placed, state, 2, 5)
    # donated: the new state has the shardings of the old one
    kernel = after.params["encoder"]["kernel"]
    assert kernel.sharding.spec == after.slots[1].mu["encoder"]["kernel"].sharding.spec
    assert kernel.addressable_shards[0].data.shape == (3072 // 8, 8)
    assert state.params["encoder"]["kernel"].is_deleted()
    yield checkpoints, host, expected
    checkpoints.close()


@pytest.mark.parametrize("devices, model", [(1, 1), (2, 1), (4, 1), (8, 4)])
def test_a_checkpoint_of_eight_devices_goes_on_elsewhere_with_the_same_losses(
    saved, devices, model
):
    checkpoints, before, expected = saved
    mesh = meshes.make_mesh(model=model, devices=jax.devices()[:devices])
    placed = placed_on(mesh, rules=parity.RULES if model > 1 else ())
    state, position = restore.resume(checkpoints, placed)
    assert position == {"step": 2}
    jax.tree.map(np.testing.assert_array_equal, meshes.to_host(state), before)
    shard = state.params["encoder"]["kernel"].addressable_shards[0].data
    assert shard.shape == (3072, 8 // model)
    _, found = losses(placed, state, 2, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
