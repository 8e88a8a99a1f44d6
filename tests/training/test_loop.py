"""A run of two stages in this process: killed, stopped, finished, given again, looked at.

Predictive training by ``slice`` on two buckets, then the decoder against a discriminator; a model
of two matrices, so that the loop is what takes the time.
"""

import dataclasses
import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest

from pv_vae_jax.data import pipeline
from pv_vae_jax.evaluation import during_training
from pv_vae_jax.sharding import agreement
from pv_vae_jax.training import loop, stage_loop, workdir
from pv_vae_jax.training.vae_run import VAERun
from tests import tiny
from tests.configs import smallest
from tests.launch import runs

STEPS = {"predictive": 6, "decoder": 4}


def run_of(**steps):
    config = smallest.get_config("6,2")
    config.stages.predictive.withholding.way = "slice"
    config.stages.decoder.steps = 4
    config.stages.decoder.weights.gan = 0.5
    config.stages.decoder.adversarial.lecam = 0.1
    config.discriminator.update(kind="frame", widths=(4,))
    config.runtime.update(checkpoint_every=2, evaluate_every=2, log_every=1, evaluate_clips=2)
    for stage, count in steps.items():
        config.stages[stage].steps = count
    return dataclasses.replace(VAERun.of(config.to_dict()), module=tiny.LinearVAE())


def trained(folder, evaluate=None, **steps):
    run = run_of(**steps)
    workdir.open_workdir(folder, run.config)
    return loop.train(run, folder, evaluate)


def arrays(folder):
    return {
        f"{stage}{path}": leaf
        for stage, step in STEPS.items()
        for path, leaf in runs.arrays(folder, stage, step).items()
    }


def same(folder, whole):
    ours, theirs = arrays(folder), arrays(whole)
    assert set(ours) == set(theirs) and any("adversary" in path for path in ours)
    return not [path for path in ours if not np.array_equal(ours[path], theirs[path])]


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a whole run that was looked at, and its model."""
    folder = tmp_path_factory.mktemp("loop") / "whole"
    return folder, trained(folder, during_training.Evaluate(run_of()))


@pytest.fixture(scope="module")
def whole(finished):
    return finished[0]


@pytest.mark.parametrize("stage", STEPS)
def test_a_run_that_was_killed_in_either_stage_goes_on_bit_for_bit(stage, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / stage / str(STEPS[stage]))
    if stage == "predictive":
        shutil.rmtree(tmp_path / "run" / "checkpoints" / "decoder")
    assert trained(tmp_path / "run") is not None
    assert same(tmp_path / "run", whole)


def test_a_finished_run_is_given_again_and_nothing_changes(finished, tmp_path):
    whole, model = finished
    shutil.copytree(whole, tmp_path / "run")
    log = (whole / "metrics.jsonl").read_bytes()
    again = trained(tmp_path / "run", lambda *_: pytest.fail("a finished run was looked at"))
    jax.tree.map(np.testing.assert_array_equal, again.params, model.params)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == log
    assert same(tmp_path / "run", whole)


@pytest.mark.parametrize("steps", [5, 8])
def test_a_stage_that_another_went_on_from_is_not_trained_further(whole, tmp_path, steps):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "decoder" / "4")
    log = (whole / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match=f"predictive.steps is {steps}, but decoder .* give 6"):
        trained(tmp_path / "run", predictive=steps)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == log


def test_a_later_stage_goes_on_without_the_checkpoints_before_it(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "predictive")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "decoder" / "4")
    assert trained(tmp_path / "run") is not None
    ours, theirs = (runs.arrays(folder, "decoder", 4) for folder in (tmp_path / "run", whole))
    assert all(np.array_equal(ours[path], leaf) for path, leaf in theirs.items())
    assert not (tmp_path / "run" / "checkpoints" / "predictive").exists()
    told = [(record["stage"], record["step"]) for record in records(tmp_path / "run")]
    assert ("predictive", 6) in told and told[-1] == ("decoder", 4)


def test_the_state_of_a_stage_is_gone_from_the_devices_in_the_next(tmp_path, monkeypatch):
    """The largest matrix is parameter, two slots and EMA in a state, and in no other."""
    shape = max((leaf.shape for leaf in jax.tree.leaves(run_of().initial_params())), key=np.prod)
    found, train = [], stage_loop.StageLoop.train

    def count():
        return sum(leaf.shape == shape for leaf in jax.live_arrays())

    def counted(self, *arguments):
        found.append(count() - before)
        return train(self, *arguments)

    monkeypatch.setattr(stage_loop.StageLoop, "train", counted)
    before = count()
    trained(tmp_path)
    first, second = found
    assert 0 < second <= first


def test_data_that_changed_is_told_when_a_run_goes_on(whole, tmp_path, monkeypatch, capsys):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "decoder" / "4")
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    trained(tmp_path / "run")
    assert "has changed" not in capsys.readouterr().out
    monkeypatch.setattr(pipeline.TrainingData, "sha256", "ab" * 32)
    trained(tmp_path / "again")
    assert "the data of decoder has changed since step 2" in capsys.readouterr().out


def test_hosts_that_see_other_data_are_told(monkeypatch):
    def gathered(mine):
        return np.stack([mine, mine, mine + 1])

    stage_loop._check_hosts("ab" * 32)
    monkeypatch.setattr(agreement.multihost_utils, "process_allgather", gathered)
    with pytest.raises(ValueError, match="data of process 2 is not that of process 0"):
        stage_loop._check_hosts("ab" * 32)


def test_a_source_that_is_none_is_told_before_anything_is_trained(tmp_path):
    run = run_of()
    late = dataclasses.replace(run.stages[1], init_from=str(tmp_path / "none.npz"))
    run = dataclasses.replace(run, stages=(run.stages[0], late))
    with pytest.raises(FileNotFoundError, match="none.npz"):
        loop.train(run, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("checkpoints/*/[0-9]*"))


def test_a_signal_saves_at_once_and_the_same_command_goes_on(whole, tmp_path):
    before = signal.getsignal(signal.SIGTERM)

    def asked(model, stage, folder):
        if stage.name == "decoder":
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    assert trained(tmp_path, asked) is None
    assert signal.getsignal(signal.SIGTERM) is before
    assert (tmp_path / "checkpoints" / "decoder" / "2").is_dir()
    assert records(tmp_path)[-1]["step"] == 2
    assert trained(tmp_path) is not None and same(tmp_path, whole)


def test_looking_at_a_run_changes_no_bit_of_it_and_tells_how_it_predicts(whole, tmp_path):
    trained(tmp_path)
    assert same(tmp_path, whole)
    told = [record for record in records(whole) if "held_out/rendered/psnr" in record]
    assert [(r["stage"], r["step"]) for r in told] == [
        *(("predictive", step) for step in (2, 4, 6)),
        *(("decoder", step) for step in (2, 4)),
    ]
    assert all(np.isfinite(r["held_out/rendered/prediction_mse"]) for r in told)
    assert (whole / "pictures" / "decoder-0000004" / "rendered-0.png").stat().st_size > 100


def test_latents_of_the_calibration_clips_have_mean_0_and_deviation_1(finished):
    """Of the averaged encoder, which is the one that a model has."""
    _, model = finished
    run = run_of()
    videos = run.calibration_videos(run.stages[0], run.config["runtime"]["calibration_batches"])
    latents = np.concatenate([np.asarray(model.encode(v)).reshape(-1, 4) for v in videos])
    np.testing.assert_allclose(latents.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(latents.std(0), 1, atol=1e-3)
