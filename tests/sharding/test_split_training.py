"""The step on clips that lie on several devices: gradients and losses of one device."""

import jax
import pytest

from pv_vae_jax.costs import collectives, hlo
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import ahead, placement
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import Stage, StageData
from pv_vae_jax.training.vae_run import VAERun
from pv_vae_jax.withholding import Withholding
from tests import tiny
from tests.sharding import parity

FORMS = {"rows": (5, 32), "time": (13, 16)}  # 2 rows of latents; 4 groups, 2 on each device


def compare(kind, split, fsdp=True):
    """On data 2 x model 2."""
    mesh, form = meshes.make_mesh(model=2, devices=jax.devices()[:4]), FORMS[split]
    program, state = parity.compiled(
        kind, mesh, False, split, form, fsdp=fsdp, least=1, channels=False
    )
    many = parity.trajectory(program, state, mesh, form)
    return parity.differences(parity.on_one_device(kind, False, form), many)


@pytest.mark.slow
def test_a_step_on_split_rows_with_fsdp_has_the_gradients_and_losses_of_one_device():
    assert not compare("plain", "rows")


@pytest.mark.slow
@pytest.mark.parametrize("split", FORMS)
@pytest.mark.parametrize("kind", parity.KINDS)
@pytest.mark.parametrize("fsdp", [False, True], ids=["", "FSDP"])
def test_every_step_on_split_clips_has_the_gradients_and_losses_of_one_device(kind, split, fsdp):
    assert not compare(kind, split, fsdp)


def run_of(split, frames=5, size=32, model=2, rules=(), module=None, **withholding):
    bucket = (size, size, 8, 1)
    stage = Stage(
        name="predictive", steps=10, data=StageData(frames, (bucket,)), trainable=".*",
        withholding=Withholding(**({"way": "mask"} | withholding)), weights={"mse": 1.0},
        optimizer=Optimizer(learning_rate=1e-2, warmup=1),
    )  # fmt: skip
    sharding = {"rules": rules, "fsdp": False, "least": 2**14}
    mesh = {"data": 0, "model": model, "slow": "data"}
    config = {"seed": 0, "runtime": {"sharding": sharding, "mesh": mesh, "split": split}}
    config["model"] = {"name": "tiny"}
    return VAERun(config, module or tiny.module(**tiny.SHALLOW), (stage,)), stage, bucket


def test_the_programs_of_a_config_are_split():
    run, stage, bucket = run_of("rows")
    mesh = placement.mesh_of(run)
    programs = {what: ahead.program(what, run, stage, bucket, mesh) for what in ahead.PROGRAMS}
    for what in ("encode", "decode"):
        assert "model" in programs[what].arguments[1].sharding.spec
    params = jax.tree.leaves(programs["train"].arguments[0].params)
    assert all(leaf.sharding.is_fully_replicated for leaf in params)  # no channels are split
    text = programs["decode"].function.lower(*programs["decode"].arguments).compile(parity.OPTIONS)
    assert "collective-permute" in collectives.by_kind(collectives.of(hlo.parse(text.as_text())))


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"split": "rows", "size": 16}, "predictive.data: 16 rows .* over 2 devices"),
        ({"split": "rows", "model": 1}, "over the axis model, which has 1 device: set"),
        ({"split": "time", "way": "slice"}, "predictive.withholding: what slice leaves"),
        ({"split": "time"}, "reads 2 frames .* each of 2 devices has 1 of them"),
        ({"split": "columns"}, "runtime.split of tiny: a clip is .* rows or time; got 'columns'"),
        (
            {"split": "rows", "module": tiny.LinearVAE()},
            "runtime.split of tiny: clips of this model cannot .* .runtime.split empty.",
        ),
        ({"split": "rows", "rules": [("kernel", ("model",))]}, "runtime.split gives the 2 devices"),
    ],
)
def test_a_stage_that_cannot_be_split_is_refused_at_the_start(arguments, sentence):
    run, _, _ = run_of(**arguments)
    with pytest.raises(ValueError, match=sentence):
        placement.of_run(run)
