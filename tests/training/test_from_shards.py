"""A config whose clips come from prepared shards."""

import dataclasses

import numpy as np
import pytest

from pv_vae_jax.data import rendered, shards, video_files
from pv_vae_jax.data.prepare import items, pieces
from pv_vae_jax.data.prepare import run as preparing
from pv_vae_jax.training.vae_run import VAERun
from tests.configs import smallest


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for number in range(5):
        video_files.write(folder / f"{number}.mp4", [rendered.render(number, 18, 48, 64)])
    sources = [  # by its key, number 2 alone is held out
        dataclasses.replace(item, label=n, key=str(n)) for n, item in enumerate(items.of(folder)[0])
    ]
    rules = pieces.Rules(frames=9, shortest=5, side=32, held_out=0.4)
    preparing.prepare(sources, folder / "out", rules, 1, False)
    return folder / "out"


def run_of(folder, **data):
    config = smallest.get_config()
    config.data.update(rendered_weight=0, shards=str(folder), **data)
    return VAERun.of(config.to_dict())


def labels_of(folder, split):
    source = shards.Shards(folder, split)
    return {source.record(n).label for n in range(len(source))}


def test_training_and_held_out_clips_are_of_different_sources(prepared):
    run = run_of(prepared)
    data = run.training_data(run.stages[0])
    seen = {int(label) for step in range(3) for label in data.element(step)["label"]}
    assert seen == labels_of(prepared, "train")
    assert seen == {0, 1, 3, 4} and labels_of(prepared, "held_out") == {2}
    held_out = run.held_out(run.stages[0], 4)["shards"]
    known = shards.Shards(prepared, "held_out").of_length(9)
    assert len(held_out) == min(4, len(known)) and held_out.shape[1:] == (9, 16, 16, 3)


def test_a_run_without_held_out_clips_ends_at_its_start(prepared, tmp_path):
    rules = pieces.Rules(frames=9, shortest=5, side=32, held_out=0.0)
    preparing.prepare(items.of(prepared.parent)[0], tmp_path / "out", rules, 1, False)
    run = run_of(tmp_path / "out")
    with pytest.raises(ValueError, match="'held_out' of .* has no records: prepare more sources"):
        run.training_data(run.stages[0])


def test_shards_take_turns_with_other_sources_by_weight(prepared):
    run = run_of(prepared, shards_weight=3)
    run.config["data"]["rendered_weight"] = 1
    labels = run.training_data(run.stages[0]).element(0)["label"]
    assert np.sum(labels == -1) == 2 and len(labels) == 8


def test_a_stage_of_one_frame_takes_its_stills_from_shards(prepared):
    run = run_of(prepared)
    form = dataclasses.replace(run.stages[0].data, frames=1)
    stills = dataclasses.replace(run.stages[0], data=form)
    batch = run.training_data(stills).element(0)
    assert batch["video"].shape == (8, 1, 16, 16, 3) and batch["label"].min() >= 0


def test_a_weight_of_zero_leaves_the_shards_out(prepared):
    run = run_of(prepared, shards_weight=0)
    with pytest.raises(ValueError, match="names no source .* data.shards to a prepared folder"):
        run.training_data(run.stages[0])
