"""The training door as a user meets it: killed, resumed, refused."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest

from launch import export as export_door
from pv_vae_jax.checkpoint import export
from pv_vae_jax.core import trees
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import beginning, placement, restore, workdir
from pv_vae_jax.training.vae_run import VAERun
from tests import tiny
from tests.launch import runs


def same(left, right):
    assert set(left) == set(right)
    return [path for path in left if not np.array_equal(left[path], right[path])]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: 60 predictive and 30 decoder steps, no workers."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    done = runs.train(workdir, config=f"{runs.CONFIG}:60")
    assert done.returncode == 0, done.stderr
    return workdir


def test_a_killed_run_resumes_bit_for_bit_with_other_workers(whole, tmp_path):
    workdir, config = tmp_path / "run", f"{runs.CONFIG}:60"
    killed = runs.start(workdir, "--config.runtime.workers=2", config=config)
    runs.wait_for(workdir / "checkpoints" / "predictive" / "3", killed)
    runs.kill(killed)
    assert not (workdir / "checkpoints" / "predictive" / "60").exists()
    done = runs.train(workdir, "--config.runtime.workers=1", config=config)
    assert done.returncode == 0, done.stderr
    assert "config.runtime.workers was 2 and is now 1" in done.stdout
    for stage, step in (("predictive", 60), ("decoder", 30)):
        ours, theirs = (runs.arrays(path, stage, step) for path in (workdir, whole))
        assert len(ours) > 100 and not same(ours, theirs), stage
    steps = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    places = [(record["stage"], record["step"]) for record in steps]
    assert len(places) == len(set(places)) == 30
    losses = {
        path: [
            json.loads(line)["total"] for line in (path / "metrics.jsonl").read_text().splitlines()
        ]
        for path in (workdir, whole)
    }
    assert losses[workdir] == losses[whole]


def test_the_loss_falls_and_the_decoder_stage_keeps_encoder_and_statistics(whole):
    records = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert records[-1]["mse"] < 0.8 * records[0]["mse"]
    before, after = runs.arrays(whole, "predictive", 60), runs.arrays(whole, "decoder", 30)
    encoder = [path for path in before if "params" in path and "encoder" in path]
    # the stage begins with the EMA of the one before
    for path in encoder:
        ema = path.replace("params", "ema", 1)
        np.testing.assert_array_equal(after[path], before[ema])
    assert len(encoder) > 20
    for path in (path for path in before if "latent_" in path):
        np.testing.assert_array_equal(after[path], before[path])
    mean, std = (next(after[p] for p in after if f"latent_{n}" in p) for n in ("mean", "std"))
    assert np.abs(mean).max() > 0 and not np.allclose(std, 1)


def test_the_export_of_a_run_is_its_ema_with_its_statistics(whole, tmp_path):
    out = tmp_path / "model.npz"
    done = runs.door("launch.export", "--workdir", str(whole), "--out", str(out))
    assert done.returncode == 0, done.stderr
    state = runs.arrays(whole, "decoder", 30)
    with np.load(out, allow_pickle=False) as file:
        exported = {name: file[name] for name in file.files}
    params = [name for name in exported if name.startswith("params/")]
    assert len(params) > 40
    for name in params:
        key = "".join(f"['{part}']" for part in name.split("/"))
        averaged = key.replace("params", "ema", 1)
        assert (averaged in state) == name.startswith("params/decoder/")
        np.testing.assert_array_equal(exported[name], state.get(averaged, state[key]))
    np.testing.assert_array_equal(exported["latents/mean"], state["['latent_mean']"])
    np.testing.assert_array_equal(exported["latents/std"], state["['latent_std']"])


def test_an_earlier_checkpoint_is_exported_by_its_stage_and_step(whole, tmp_path):
    out = tmp_path / "model.npz"
    command = ["--workdir", str(whole), "--out", str(out), "--stage", "predictive"]
    export_door.main([*command, "--step", "57", "--dtype", "float16"])
    exported, state = export.load(out), runs.arrays(whole, "predictive", 57)
    flat = trees.flatten(exported.params)
    ema = {path: leaf for path, leaf in state.items() if path.startswith("['ema']")}
    assert len(flat) > 40 and len(ema) == len(flat)
    for path, leaf in flat.items():
        key = "".join(f"['{part}']" for part in path.split("/"))
        np.testing.assert_array_equal(leaf, state[f"['ema']{key}"].astype(np.float16))
    training = export.read_metadata(out)["training"]
    assert (training["stage"], training["step"]) == ("predictive", 57)
    with pytest.raises(ValueError, match="has no step 50; it has: 57, 60"):
        export_door.main([*command, "--step", "50"])
    with pytest.raises(ValueError, match="has no stage 'late'; its stages are: predictive, dec"):
        export_door.main([*command[:-1], "late"])


def test_a_stage_starts_from_the_folder_of_another_run_with_one_key(whole):
    run = VAERun.of(workdir.read_config(whole))
    stage = dataclasses.replace(run.stages[0], init_from=str(whole))
    placed = placement.of(run, stage, meshes.make_mesh())
    began = jax.device_get(beginning.begin(run, placed, None))
    model, _ = restore.exported_model(whole, run)
    jax.tree.map(np.testing.assert_array_equal, began.params, model.params)
    np.testing.assert_array_equal(began.latent_std, model.std)
    assert int(began.step) == 0 and model.std.std() > 0
    other = dataclasses.replace(run, module=tiny.module(channels=8))
    with pytest.raises(ValueError, match="init_from: .* is not a model of this form"):
        beginning.begin(other, placed, None)


def test_updates_that_are_not_finite_in_a_row_save_and_end_the_run(tmp_path):
    arguments = [f"--{STAGE}.optimizer.learning_rate=1e30", "--config.runtime.skip_limit=3"]
    done = runs.train(tmp_path / "run", *arguments, config=f"{runs.CONFIG}:60")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "not finite in the last" in done.stderr.splitlines()[-1]
    saved = [int(path.name) for path in (tmp_path / "run/checkpoints/predictive").glob("[0-9]*")]
    after = runs.arrays(tmp_path / "run", "predictive", max(saved))
    assert after["['skipped_in_row']"] >= 3
    assert all(np.isfinite(leaf).all() for leaf in after.values())


STAGE = "config.stages.predictive"
BAD = {
    "identity": (
        f"--{STAGE}.optimizer.learning_rate=1e-2",
        f"run of another config: {STAGE}.optimizer.learning_rate was 0.001 and is now 0.01",
    ),
    "unknown key": (
        "--config.sead=1",
        "--config.sead: the config has no key 'sead'. Did you mean .seed. instead of .sead.[?]$",
    ),
    "unknown branch": ("--config.stages.x.steps=1", ": --config.stages.x.steps: .* no key 'x'.$"),
    "type": ("--config.seed=one", "--config.seed=one: .*int.* 'one'$"),
    "folder": ("--config.data.videos=/no/such/folder", "/no/such/folder"),
    "length": (f"--{STAGE}.data.frames=8", f"{STAGE}.data: .*got 8: cut to 5 or pad to 9"),
    "term": (f"--{STAGE}.weights.mse=-1.0", f"{STAGE}: weights.mse is -1.0; a weight is at"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_ends_with_a_sentence(whole, tmp_path, what):
    argument, sentence = BAD[what]
    workdir = whole if what == "identity" else tmp_path / "run"
    done = runs.train(workdir, argument, config=f"{runs.CONFIG}:60")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert re.search(sentence, done.stderr.strip().splitlines()[-1])


def test_an_unwritable_workdir_ends_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = runs.train(tmp_path / "file" / "run")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "--workdir" in done.stderr and "cannot be written" in done.stderr
