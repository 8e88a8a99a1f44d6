"""Programs of a generator for absent devices: FLOPs by hand, clips stay, many devices do as one."""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from configs.generator_base import base, stage
from pv_vae_jax.core import trees
from pv_vae_jax.costs import collectives, flops, hlo
from pv_vae_jax.data.buckets import Bucket
from pv_vae_jax.generation import ahead as sampling
from pv_vae_jax.generation.sampler import Sampling
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import ahead, beginning, generator_ahead, placement

WIDTH, DEPTH, CLIPS, CLASSES = 16, 6, 8, 3
GROUPS, SIDE, CHANNELS = 5, 2, 64  # pv_vae_tiny on clips of 17 x 32 x 32
RULES = (
    (r"attention/qkv/(kernel|bias)$", ("model",)),
    (r"attention/out/kernel$", ("model", None)),
    (r"mlp_in/(kernel|bias)$", ("model",)),
    (r"mlp_out/kernel$", ("model", None)),
)


def run_of(sharding=None, **fields):
    config = base("latte_tiny", **{"width": WIDTH, "depth": DEPTH, "heads": 2, "classes": CLASSES})
    config.generator.fields.update(fields)
    config.tokenizer.model = "pv_vae_tiny"
    config.stages.generator = stage(
        data={"frames": 17, "buckets": ((32, 32, CLIPS, 1),)}, optimizer={"clip": 1e6}
    )
    config.runtime.sharding.update(sharding or {})
    return generator_ahead.described(config.to_dict())


def train_on(mesh, sharding=None, **fields):
    run = run_of(sharding, **fields)
    return run, ahead.train(run, run.stages[0], mesh, Bucket(32, 32, CLIPS))


def compiled(program):
    """What is asked of it does not depend on how well it is compiled."""
    lowered = program.function.lower(*program.arguments)
    return lowered.compile({"xla_backend_optimization_level": 0})


def forward(patch=1, depth=DEPTH, blocks_alone=False):
    """FLOPs of the network on a clip, by hand."""
    space, width = SIDE**2 // patch**2, WIDTH
    tokens, inside = GROUPS * space, patch**2 * CHANNELS
    block = 24 * tokens * width**2 + 12 * width**2  # qkv, out, hidden layer; modulation
    blocks = depth * block + depth // 2 * 4 * tokens * (space + GROUPS) * width
    if blocks_alone:
        return blocks
    ends = 2 * tokens * inside * width * 2 + 4 * width**2  # patches, out; its modulation
    return blocks + ends + 2 * 256 * width + 2 * width**2  # time embedding


def test_the_latents_are_those_of_the_named_video_vae():
    run = run_of()
    assert run.latents.shape == (GROUPS, SIDE, SIDE, CHANNELS) and run.module.channels == CHANNELS
    assert run.latents.dtype == "bfloat16" and run.name == "latte_tiny on pv_vae_tiny t4s16c64"
    config = run.config | {"tokenizer": {"model": "wan2.1", "weights": ""}}
    mean, std = generator_ahead.described(config).initial_statistics()
    assert mean.shape == std.shape == (16,) and std[0] == pytest.approx(2.8184, abs=1e-4)


@pytest.mark.parametrize("name", ["", "exports/model.npz"])
def test_what_is_no_named_video_vae_is_told(name):
    config = run_of().config | {"tokenizer": {"model": name, "weights": ""}}
    with pytest.raises(ValueError, match=f"config.tokenizer.model: .* got '{name}'; there are pv_"):
        generator_ahead.described(config)


@pytest.mark.parametrize("fields", [{}, {"scan": True}, {"patch": 2}], ids=str)
def test_the_flops_of_an_update_are_three_times_those_of_the_network(fields):
    patch = fields.get("patch", 1)
    _, program = train_on(meshes.make_mesh(), **fields)
    found = flops.of(program.function, *program.arguments)
    # neither latents nor the waves of the time have a gradient
    unused = 2 * GROUPS * SIDE**2 * CHANNELS * WIDTH + 2 * 256 * WIDTH
    assert found.model == found.hardware == CLIPS * (3 * forward(patch) - unused)


def test_blocks_that_are_computed_again_are_the_hardwares_flops():
    _, program = train_on(meshes.make_mesh(), remat="block", scan=True)
    found = flops.of(program.function, *program.arguments)
    again = CLIPS * forward(blocks_alone=True)
    # the last product of a block is of use to its gate alone
    assert found.hardware - found.model == pytest.approx(again, rel=1e-3)


@pytest.mark.parametrize(("settings", "times"), [({}, 1), ({"solver": "heun"}, 2)], ids=str)
def test_a_sample_costs_the_network_at_each_step(settings, times):
    run, mesh = run_of(), meshes.make_mesh()
    program = sampling.program(
        run.module, run.latents.shape, CLIPS, Sampling(steps=100, **settings), mesh
    )
    assert flops.of(program[0], *program[1]).model == CLIPS * 100 * times * forward()


def test_guidance_costs_the_network_twice():
    run, mesh = run_of(), meshes.make_mesh()
    settings = Sampling(steps=7, guidance=2.0)
    program = sampling.program(run.module, run.latents.shape, CLIPS, settings, mesh)
    assert flops.of(program[0], *program[1]).model == 2 * CLIPS * 7 * forward()


def test_an_update_sums_gradients_over_devices_and_moves_no_clip():
    _, program = train_on(meshes.make_mesh(), depth=2)
    found = collectives.by_kind(collectives.of(hlo.parse(compiled(program).as_text())))
    params = 4 * trees.count(program.arguments[0].params)
    assert set(found) == {"all-reduce"}
    assert params <= found["all-reduce"].operand <= params + 200  # and the report


def test_fsdp_gathers_parameters_and_moves_no_clip():
    _, program = train_on(meshes.make_mesh(), {"fsdp": True, "least": 256}, depth=2)
    state = program.arguments[0]
    kernel = state.params["block_0"]["mlp_in"]["kernel"]
    assert kernel.sharding.spec == P(None, "data") and kernel.shape == (WIDTH, 4 * WIDTH)
    assert program.parameters < 4 * trees.count(state.params) / 4
    assert program.optimizer == pytest.approx(3 * program.parameters, rel=0.05)
    found = collectives.by_kind(collectives.of(hlo.parse(compiled(program).as_text())))
    params = 4 * trees.count(state.params)
    assert 0 < found["all-gather"].sent < 3 * params
    # the condition moves where that is cheaper than its kernels: six vectors, never the tokens
    moved = found.get("all-to-all", collectives.Traffic(1, 0, 0.0))
    assert moved.operand / moved.count <= 4 * 6 * WIDTH < 4 * GROUPS * SIDE**2 * WIDTH
    assert "collective-permute" not in found


def test_samples_are_drawn_without_a_word_between_devices():
    run, mesh = run_of(depth=2), meshes.make_mesh()
    function, arguments = sampling.program(
        run.module, run.latents.shape, CLIPS, Sampling(steps=3, guidance=2.0), mesh
    )
    found = function.lower(*arguments).compile()
    text = found.as_text()
    assert collectives.of(hlo.parse(text)) == {}
    assert found.output_shardings.spec == P("data")
    one = f"{GROUPS},{SIDE},{SIDE},{CHANNELS}]"
    assert f"[1,{one}" in text and f"[{CLIPS},{one}" not in text  # nor does each draw all of them


def test_a_batch_that_does_not_divide_is_told():
    run, mesh = run_of(), meshes.make_mesh()
    with pytest.raises(ValueError, match="batch of 9 clips does not divide over 8 devices"):
        sampling.program(run.module, run.latents.shape, 9, Sampling(), mesh)


def updated(mesh, sharding=None):
    """(first moments by path, report) of an update of one batch from one state."""
    run, program = train_on(mesh, sharding, depth=2)
    placed = placement.of(run, run.stages[0], mesh)
    state = meshes.to_host(beginning.begin(run, placed, None))
    random = np.random.default_rng(0)

    def away_from_zero(leaf):
        return leaf + 0.05 * random.standard_normal(leaf.shape, np.float32)

    state = state.replace(params=jax.tree.map(away_from_zero, state.params))
    form = program.arguments[1]
    batch = form.replace(
        mean=random.standard_normal(form.mean.shape, np.float32).astype(form.mean.dtype),
        logvar=np.full(form.logvar.shape, -2, form.logvar.dtype),
        index=np.arange(CLIPS, dtype=np.uint32),
        label=np.arange(CLIPS, dtype=np.int32) % CLASSES,
    )
    there = jax.tree.map(lambda leaf: leaf.sharding, program.arguments)
    arguments = meshes.put(there, (state, batch, None))
    new, report = compiled(program)(*arguments)
    (moments,) = (slot.mu for slot in jax.tree.leaves(new.slots, is_leaf=_adam) if _adam(slot))
    return trees.flatten(jax.device_get(moments)), jax.device_get(report)


def _adam(node) -> bool:
    return hasattr(node, "mu")


@pytest.fixture(scope="module")
def on_one():
    return updated(meshes.make_mesh(devices=jax.devices()[:1]))


@pytest.mark.parametrize(
    ("model", "sharding"),
    [(1, {}), (1, {"fsdp": True, "least": 256}), (2, {"rules": RULES})],
    ids=["8x1", "8x1 FSDP", "4x2"],
)
def test_many_devices_have_the_gradients_and_the_loss_of_one(on_one, model, sharding):
    mesh = meshes.make_mesh(model=model)
    gradients, report = updated(mesh, sharding)
    norm = np.sqrt(sum(np.sum(leaf**2) for leaf in on_one[0].values()))
    for path, leaf in on_one[0].items():
        off = np.linalg.norm(gradients[path] - leaf)
        assert off <= 1e-5 * max(np.linalg.norm(leaf), 1e-2 * norm), path
    for name, (total, count) in on_one[1].items():
        np.testing.assert_allclose(report[name], (total, count), rtol=1e-5, err_msg=name)
