"""Every way of withholding and every padding trains, and goes on bit for bit."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from configs import withholding
from pv_vae_jax.core import trees
from pv_vae_jax.training import loop, placement, restore, workdir
from pv_vae_jax.training.vae_run import VAERun
from tests import tiny

STEPS = 50


def run_of(variant, module=None, **fields):
    """50 steps of a variant on 8 clips of 13 frames (the tests have 8 devices)."""
    config = withholding.get_config(variant)
    config.model.fields.update(tiny.SHALLOW | fields)
    stage = config.stages.predictive
    stage.steps = STEPS
    stage.data.update(frames=13, buckets=((32, 32, 8, 1),))
    stage.optimizer.update(learning_rate=5e-3, warmup=5)
    if stage.withholding.ramp:
        stage.withholding.ramp = 20
    config.runtime.update(log_every=10, evaluate_every=0, checkpoint_every=25)
    config.runtime.update(calibration_batches=1)
    run = VAERun.of(config.to_dict())
    return run if module is None else dataclasses.replace(run, module=module)


def trained(run, folder):
    """The last state, as arrays by path."""
    workdir.open_workdir(folder, run.config)
    loop.train(run, folder)
    (placed,) = placement.of_run(run)
    checkpoints = restore.checkpoints_of(folder, placed.stage)
    state, _ = restore.resume(checkpoints, placed)
    checkpoints.close()
    state = jax.device_get(state)
    return {
        f"{name}/{path}": leaf
        for name in ("params", "ema")
        for path, leaf in trees.flatten(getattr(state, name)).items()
    } | {f"slots/{i}": leaf for i, leaf in enumerate(jax.tree.leaves(state.slots))}


def learns_and_resumes(run, folder):
    whole = trained(run, folder)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [record["total"] for record in records]
    assert len(losses) == STEPS // 10 and losses[-1] < 0.9 * losses[0], losses
    assert all("mse/withheld" in record for record in records)
    shutil.rmtree(folder / "checkpoints" / "predictive" / str(STEPS))  # killed at step 25
    again = trained(run, folder)
    assert len(whole) > 10 and set(whole) == set(again)
    assert not [path for path in whole if not np.array_equal(whole[path], again[path])]


@pytest.mark.parametrize("variant", ["infill", "cells"])
def test_a_model_of_two_matrices_learns_and_resumes_bit_for_bit(variant, tmp_path):
    learns_and_resumes(run_of(variant, tiny.LinearVAE()), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("variant", withholding.VARIANTS)
def test_every_variant_learns_and_resumes_bit_for_bit(variant, tmp_path):
    learns_and_resumes(run_of(variant), tmp_path / "run")


@pytest.mark.parametrize("variant", withholding.VARIANTS)
def test_the_config_of_every_variant_is_one_that_runs(variant):
    run = VAERun.of(withholding.get_config(variant).to_dict())
    plain = VAERun.of(withholding.get_config().to_dict())
    assert variant == "suffix" or (run.stages, run.module) != (plain.stages, plain.module)
    batch = run.training_data(run.stages[0]).element(0)
    assert batch["observed"].shape[:2] == (4, 5)


def test_another_variant_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="takes :suffix, :suffix_slice, .*; got :prefix"):
        withholding.get_config("prefix")


def test_a_clip_too_short_for_its_withholding_is_refused_with_the_key():
    config = withholding.get_config("groups")
    config.stages.predictive.data.frames = 5
    with pytest.raises(ValueError, match="config.stages.predictive: withholding.kind suffix"):
        VAERun.of(config.to_dict())


def test_masks_of_cells_follow_their_bucket():
    config = withholding.get_config("cells")
    config.stages.predictive.data.buckets = ((32, 32, 8, 1), (32, 48, 8, 1))
    run = VAERun.of(config.to_dict())
    data = run.training_data(run.stages[0])
    shapes = {step: data.element(step)["observed"].shape for step in range(2)}
    assert set(shapes.values()) == {(8, 5, 2, 2), (8, 5, 2, 3)}
    halves = [data.element(1, host, 2)["observed"] for host in range(2)]
    np.testing.assert_array_equal(np.concatenate(halves), data.element(1)["observed"])
