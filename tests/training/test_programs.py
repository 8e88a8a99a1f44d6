"""Programs are compiled before they are needed, and are those of the step's own batch."""

import dataclasses
import threading

import jax
import pytest

from pv_vae_jax.data import sources
from pv_vae_jax.data.pipeline import TrainingData
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import placement, programs
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import Adversarial, Stage, StageData
from pv_vae_jax.training.vae_run import VAERun
from pv_vae_jax.withholding import Withholding
from tests import tiny

STEPS = 12


@pytest.fixture
def made(monkeypatch):
    """A stage of two buckets and two k, and what its thread compiled in order."""
    stage = Stage(
        name="predictive", steps=STEPS, trainable=".*", weights={"mse": 1.0},
        data=StageData(5, ((16, 16, 2, 1), (16, 32, 2, 1))),
        withholding=Withholding(way="slice"), optimizer=Optimizer(),
    )  # fmt: skip
    runtime = {
        "mesh": {"data": 0, "model": 1, "slow": "data"},
        "sharding": {"rules": (), "fsdp": False, "least": 2**14},
        "split": "",
    }
    run = VAERun({"seed": 3, "runtime": runtime}, tiny.LinearVAE(), (stage,))
    compiled = []
    monkeypatch.setattr(
        programs.Programs, "_compiled", lambda self, key: compiled.append(key) or (key, None)
    )
    placed = placement.of(run, stage, meshes.make_mesh(devices=jax.devices()[:1]))
    return run, stage, placed, compiled


def data_of(stage):
    clips = sources.Rendered()
    return TrainingData([clips], stage.data.buckets, 5, 4, stage.withholding, 3, None)


def test_the_program_of_a_step_is_known_before_its_batch(made):
    run, stage, placed, _ = made
    data = data_of(stage)
    found = programs.Programs(run, placed, data, None, 0, STEPS)
    for step, batch in zip(range(STEPS), data.batches(), strict=False):
        program, bucket = found.key(step)
        assert program.withheld == int((~batch.observed[0]).sum())
        assert batch.video.shape == (bucket.batch, 5, bucket.height, bucket.width, 3)
    found.close()


def test_each_program_is_compiled_once_in_the_order_of_first_use(made):
    run, stage, placed, compiled = made
    found = programs.Programs(run, placed, data_of(stage), None, 0, STEPS)
    keys = [found.key(step) for step in range(STEPS)]
    assert [found.at(step)[0] for step in range(STEPS)] == keys
    assert compiled == list(dict.fromkeys(keys)) and len(compiled) > 2
    found.close()


def test_a_step_waits_for_its_own_program_alone(made, monkeypatch):
    run, stage, placed, _ = made
    found, gate = programs.Programs(run, placed, data_of(stage), None, 0, STEPS), threading.Event()
    first = found.key(0)
    monkeypatch.setattr(
        programs.Programs, "_compiled", lambda self, key: (key == first or gate.wait(60), None)
    )
    assert found.at(0) == (True, None)  # the others are held up
    gate.set()
    found.close()


def test_nothing_beyond_the_last_step_is_compiled(made):
    run, stage, placed, compiled = made
    found = programs.Programs(run, placed, data_of(stage), None, 0, 1)
    found.at(0)
    found.close()
    assert len(compiled) == 1


def test_the_gan_and_its_penalty_are_in_the_programs_of_their_steps(made):
    run, stage, *_ = made
    settings = Adversarial(start=2, r1=1.0, r1_every=3)
    stage = dataclasses.replace(stage, weights={"mse": 1.0, "gan": 0.5}, adversarial=settings)
    found = [run.program(stage, data_of(stage), step)[0] for step in range(7)]
    assert [each.gan for each in found] == [False, False, True, True, True, True, True]
    assert [each.penalty for each in found] == [False, False, True, False, False, True, False]
    without = dataclasses.replace(stage, weights={"mse": 1.0})
    assert not run.program(without, data_of(stage), 2)[0].gan
