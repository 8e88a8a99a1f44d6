"""Programs for absent devices: the real step, split over devices, without weights or data."""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from pv_vae_jax.costs import collectives, flops, hlo
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import ahead, vae_step
from pv_vae_jax.training import state as states
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import Perceptual, Stage, StageData
from pv_vae_jax.training.vae_run import VAERun
from pv_vae_jax.withholding import Withholding
from tests import tiny

MESH = meshes.make_mesh()
BUCKET = (16, 16, 8, 1)


def stage_of(**changes):
    values = {
        "weights": {"mse": 1.0, "difference": 1.0, "kl": 1e-3},
        "optimizer": Optimizer(learning_rate=1e-2, warmup=1),
    }
    return Stage(
        name="predictive", steps=10, data=StageData(9, (BUCKET,)),
        withholding=Withholding(way="mask"), trainable=".*", **(values | changes),
    )  # fmt: skip


def run_of(stage, module=None):
    sharding = {"rules": (), "fsdp": True, "least": 2**14}
    config = {"seed": 0, "runtime": {"sharding": sharding, "split": ""}}
    return VAERun(config, module or tiny.LinearVAE(), (stage,))


@pytest.fixture(scope="module")
def trained():
    stage = stage_of()
    return ahead.program("train", run_of(stage), stage, BUCKET, MESH)


def test_the_compiled_program_makes_the_update_of_the_training_loop(trained):
    stage = stage_of()
    run = run_of(stage)
    unit = np.zeros(4, np.float32), np.ones(4, np.float32)
    state = jax.device_get(states.start(run.initial_params(), *unit, stage))
    batch = tiny.batch((0, 1, 2, 1, 0, 2, 1, 0))
    networks = vae_step.Networks(run.module)
    new, report = jax.jit(
        lambda s, b: vae_step.train_step(networks, stage, 0, vae_step.Program(), s, b)
    )(state, batch)
    compiled = trained.function.lower(*trained.arguments).compile()
    placed = jax.tree.map(
        lambda leaf, form: jax.device_put(leaf, form.sharding),
        (state, batch),
        trained.arguments[:2],
    )
    there, told = compiled(*placed, None)
    for one, other in zip(jax.tree.leaves(new), jax.tree.leaves(there), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(report["total"][0], told["total"][0], rtol=1e-5)


def test_the_state_lies_as_the_config_says(trained):
    state = trained.arguments[0]
    kernel = state.params["encoder"]["kernel"]  # [3072, 8], the only one that is large
    assert kernel.sharding.spec == P("data", None)
    on_one = 3072 * 8 // 8 + 8 + 4 * 3072 + 3072
    assert trained.parameters == 4 * on_one
    # EMA and two slots, the statistics of the latents, the counters
    assert trained.optimizer == pytest.approx(3 * 4 * on_one, abs=100)
    text = trained.function.lower(*trained.arguments).compile().as_text()
    gathers = collectives.by_kind(collectives.of(hlo.parse(text)))["all-gather"]
    assert gathers.operand >= 4 * 3072


def test_lpips_has_the_shapes_of_its_weights_and_is_an_argument():
    stage = stage_of(weights={"mse": 1.0, "lpips": 1.0}, perceptual=Perceptual("alexnet", 2))
    bucket = (32, 32, 8, 1)
    program = ahead.program("train", run_of(stage), stage, bucket, MESH)
    judge = program.arguments[2].params
    assert judge["backbone"]["conv1"]["kernel"].shape == (11, 11, 3, 64)
    assert [judge["heads"][str(i)].shape for i in range(1, 6)] == [
        (64,), (192,), (384,), (256,), (256,)
    ]  # fmt: skip
    with_it = flops.of(program.function, *program.arguments).model
    plain = stage_of(weights={"mse": 1.0})
    without = ahead.program("train", run_of(plain), plain, bucket, MESH)
    # 2 of 9 frames of 8 clips, forward for both and backward for one of them: conv1 as a
    # convolution (7x7 places of 11x11 taps, 74 pairs a side), the others as products of patches
    products = 9 * 1600 * 192 + 1728 * 384 + 3456 * 256 + 2304 * 256
    forward = 2 * 16 * (74**2 * 3 * 64 + products)
    difference = with_it - flops.of(without.function, *without.arguments).model
    assert difference == pytest.approx(3 * forward, rel=0.01)  # and the heads


def test_serving_splits_clips_and_says_nothing_between_devices():
    stage = stage_of()
    for what, shape in (("encode", (8, 9, 16, 16, 3)), ("decode", (8, 3, 1, 1, 4))):
        program = ahead.program(what, run_of(stage), stage, BUCKET, MESH)
        assert program.arguments[1].shape == shape and program.optimizer == 0
        text = program.function.lower(*program.arguments).compile().as_text()
        assert collectives.of(hlo.parse(text)) == {}


@pytest.mark.parametrize(
    ("what", "bucket", "withheld", "message"),
    [
        ("serve", BUCKET, 0, "--what serve: the programs are train, encode, decode"),
        ("train", (16, 16, 12, 1), 0, "batch of 12 clips does not divide over 8 devices"),
        ("decode", (16, 16, 4, 1), 0, "batch of 4 clips does not divide over 8 devices"),
        ("train", BUCKET, 3, "--withheld 3: of 3 groups at least one is seen"),
    ],
)
def test_what_cannot_be_compiled_is_told(what, bucket, withheld, message):
    stage = stage_of()
    with pytest.raises(ValueError, match=message):
        ahead.program(what, run_of(stage), stage, bucket, MESH, withheld)
