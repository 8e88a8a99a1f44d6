"""What a stage begins with, and what a run's folder may become."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

from pv_vae_jax.data import clips, video_files
from pv_vae_jax.evaluation import during_training
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import beginning, placement, stage_loop, workdir
from pv_vae_jax.training.vae_run import VAERun
from tests.configs import smallest


def run_of(steps=4, gan=True, **data):
    config = smallest.get_config(str(steps)).to_dict()
    config["run"] = ("predictive",)
    config["discriminator"] |= {"kind": "frame", "widths": (4,)}
    config["stages"]["predictive"]["weights"]["gan"] = 0.5 if gan else 0.0
    config["data"] |= data
    return VAERun.of(config)


def placed_of(run, **changes):
    stage = dataclasses.replace(run.stages[0], **changes)
    return placement.of(run, stage, meshes.make_mesh(devices=jax.devices()[:1]))


def loop_of(run, folder):
    return stage_loop.StageLoop(run, placed_of(run), folder, None, 0)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder of a run with a GAN, stopped at step 4, and its state."""
    run, folder = run_of(), tmp_path_factory.mktemp("kept") / "run"
    workdir.open_workdir(folder, run.config)
    state = beginning.begin(run, placed_of(run), None)
    moved = jax.tree.map(lambda leaf: leaf + 0.5, state.adversary.params)
    state = state.replace(adversary=state.adversary.replace(params=moved))
    made = loop_of(run, folder)
    made._save(state, 4)
    made.checkpoints.close()
    return folder, jax.device_get(state)


def begun(run, folder):
    return jax.device_get(beginning.begin(run, placed_of(run, init_from=str(folder)), None))


def test_a_stage_from_the_folder_of_a_run_goes_on_with_its_discriminator(kept):
    folder, before = kept
    found = begun(run_of(), folder).adversary.params
    jax.tree.map(np.testing.assert_array_equal, found, before.adversary.params)
    assert not begun(run_of(gan=False), folder).adversary


def test_a_discriminator_goes_on_from_stage_to_stage(kept):
    run, before = run_of(), kept[1]
    found = jax.device_get(beginning.begin(run, placed_of(run), before)).adversary.params
    jax.tree.map(np.testing.assert_array_equal, found, before.adversary.params)


def test_clips_are_drawn_as_the_stage_says_and_otherwise_in_each_stage():
    run = run_of()
    form = dataclasses.replace(run.stages[0].data, strides=(1, 2), flip=0.25, reversal=0.75)
    stage = dataclasses.replace(run.stages[0], data=form)
    data = run.training_data(stage)
    assert data.augment == clips.Augment(strides=(1, 2), flip=0.25, reversal=0.75)
    other = run.training_data(dataclasses.replace(stage, name="later"))
    assert data.element(0)["video"].sum() != other.element(0)["video"].sum()


def test_a_damaged_checkpoint_is_named(kept, tmp_path):
    folder, run = tmp_path / "run", run_of()
    shutil.copytree(kept[0], folder)
    for file in (folder / "checkpoints" / "predictive" / "4" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    made = loop_of(run, folder)
    with pytest.raises(ValueError, match="checkpoints/predictive/4 cannot be read .* is damaged"):
        made.state(None)
    made.checkpoints.close()


def test_a_discriminator_of_another_form_is_fresh(kept):
    config = run_of().config
    config["discriminator"]["widths"] = (6,)
    other = VAERun.of(config)
    fresh = other.initial_discriminator(other.stages[0])["params"]
    found = begun(other, kept[0]).adversary.params
    jax.tree.map(np.testing.assert_array_equal, found, jax.device_get(fresh))


@pytest.mark.parametrize(("steps", "least"), [(3, 5), (4, 5)])
def test_fewer_steps_than_are_behind_a_stage_are_refused(kept, steps, least):
    sentence = f"predictive.steps is {steps}, and 4 updates .* give {least} or more"
    with pytest.raises(ValueError, match=sentence):
        loop_of(run_of(steps), kept[0]).state(None)


def test_a_stage_is_finished_at_its_last_step_alone(kept, tmp_path):
    run = run_of()
    state = beginning.begin(run, placed_of(run), None)
    made = loop_of(run, tmp_path)
    made._save(state, 4, finished=True)
    made.checkpoints.close()
    again = loop_of(run, tmp_path)
    again.state(None)
    assert again.finished
    longer = loop_of(run_of(6), tmp_path)
    longer.state(None)
    assert not longer.finished
    with pytest.raises(ValueError, match="steps is 3, and 4 updates .* give 4 or more"):
        loop_of(run_of(3), tmp_path).state(None)


def test_a_config_may_be_put_right_until_something_is_kept(kept, tmp_path):
    right, wrong = run_of().config, run_of(videos="/no/such/folder").config
    workdir.open_workdir(tmp_path, wrong)
    assert "data/videos" in workdir.open_workdir(tmp_path, right)
    assert workdir.read_config(tmp_path)["data"]["videos"] == ""
    with pytest.raises(ValueError, match="holds a run of another config: config.data.videos was"):
        workdir.open_workdir(kept[0], wrong)


def test_a_run_without_held_out_clips_ends_before_it_trains(tmp_path):
    video_files.write(tmp_path / "a.mp4", [np.zeros((40, 32, 32, 3), np.uint8)])
    of = {"videos": str(tmp_path), "rendered_weight": 0}
    with pytest.raises(FileNotFoundError, match="4 frames in its span .0.9, 1.0. where 9 are"):
        during_training.Evaluate(run_of(held_out=0.1, **of))
    with pytest.raises(ValueError, match="held_out = 0.0, for clips of 9"):
        during_training.Evaluate(run_of(held_out=0.0, **of))
    during_training.Evaluate(run_of(held_out=0.3, **of))
