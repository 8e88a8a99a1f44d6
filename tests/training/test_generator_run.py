"""What a generator's config describes, and what it refuses."""

import dataclasses
import types

import jax
import numpy as np
import pytest

from pv_vae_jax.checkpoint import export, generator_export
from pv_vae_jax.data import latents as cached
from pv_vae_jax.data import sources
from pv_vae_jax.models.generator import LatentForm
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import beginning, placement, runs, video_data, workdir
from pv_vae_jax.zoo import registry
from tests import tiny
from tests.configs import smallest, smallest_generator
from tests.models.test_generator import generator_of, other


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    vae = registry.create("pv_vae_tiny", seed=1, **tiny.SHALLOW)
    path = tmp_path_factory.mktemp("tokenizer") / "vae.npz"
    export.save(path, vae)
    return vae, path


def config_of(path, **changes):
    config = smallest_generator.get_config(str(path)).to_dict()
    for key, value in changes.items():
        *parts, last = key.split("__")
        at = config
        for part in parts:
            at = at[part]
        at[last] = value
    return config


def test_the_latents_are_those_of_the_tokenizer_in_one_line(tokenizer):
    vae, path = tokenizer
    run = runs.of(config_of(path))
    assert run.latents.shape == (2, 1, 1, 4) and run.module.channels == 4
    mean, std = run.initial_statistics()
    np.testing.assert_array_equal(mean, vae.mean)
    np.testing.assert_array_equal(std, vae.std)
    assert run.summary() == "latte_tiny on pv_vae_tiny t4s16c4: 14,772 parameters"


def test_a_stage_starts_from_a_generators_export_of_the_same_latents_alone(tokenizer, tmp_path):
    vae, path = tokenizer
    run = runs.of(config_of(path))
    generator_export.save(tmp_path / "same.npz", generator_of(vae, classes=0))
    generator_export.save(tmp_path / "other.npz", generator_of(other(vae, "encoder"), classes=0))
    began = {}
    for name in ("same", "other"):
        stage = dataclasses.replace(run.stages[0], init_from=str(tmp_path / f"{name}.npz"))
        placed = placement.of(run, stage, meshes.make_mesh(devices=jax.devices()[:1]))
        if name == "other":
            with pytest.raises(ValueError, match="other.npz were made by other weights"):
                beginning.begin(run, placed, None)
        else:
            began = beginning.begin(run, placed, None)
    workdir.open_workdir(tmp_path / "vae", smallest.get_config().to_dict())
    stage = dataclasses.replace(run.stages[0], init_from=str(tmp_path / "vae"))
    with pytest.raises(ValueError, match="init_from: .*/vae is a run of pv_vae_tiny t4s16c"):
        beginning.source(run, stage)
    loaded = generator_export.load(tmp_path / "same.npz")
    jax.tree.map(np.testing.assert_array_equal, began.params, loaded.params)


def test_a_run_goes_on_with_its_own_latents_alone(tokenizer, tmp_path):
    vae, path = tokenizer
    run = runs.of(config_of(path))
    workdir.open_workdir(tmp_path / "run", run.config)
    assert workdir.read_latents(tmp_path / "run") is None
    workdir.open_latents(tmp_path / "run", run.latents)
    workdir.open_latents(tmp_path / "run", run.latents)
    assert runs.of_workdir(tmp_path / "run").latents == run.latents
    export.save(path.with_name("again.npz"), other(vae, "encoder"))
    changed = runs.of(config_of(path.with_name("again.npz")))
    workdir.open_latents(tmp_path / "run", changed.latents)  # nothing is trained yet
    workdir.open_latents(tmp_path / "run", run.latents)
    (tmp_path / "run" / "checkpoints" / "generator" / "3").mkdir(parents=True)
    with pytest.raises(ValueError, match="the latents of the run in .* by other weights"):
        workdir.open_latents(tmp_path / "run", changed.latents)


def test_a_decoder_that_was_trained_further_decodes_the_same_run(tokenizer):
    vae, path = tokenizer
    run = runs.of(config_of(path))
    export.save(path.with_name("decoder.npz"), other(vae, "decoder"))
    changed = runs.of(config_of(path.with_name("decoder.npz")))
    assert changed.latents == run.latents


def test_cached_latents_of_another_model_are_refused_by_the_tokenizer(tokenizer, monkeypatch):
    vae, path = tokenizer
    form = runs.of(config_of(path)).latents
    theirs = LatentForm(form.identity | {"encoder": "0" * 64}, form.shape)
    fake = type("Latents", (), {
        "identity": theirs.identity, "shape": form.shape, "dtype": "float16", "classes": (),
        "clips": {"frames": 5, "height": 16, "width": 16}, "labels": 0,
    })  # fmt: skip
    monkeypatch.setattr(cached, "Latents", lambda where, split: fake)
    run = runs.of(config_of(path, data__latents="kept"))
    assert run.latents.dtype == "float16" and run.constants(run.stages[0]) is None
    with pytest.raises(ValueError, match="kept were made by other weights of the encoder"):
        _ = run.tokenizer
    assert runs.of(config_of("", data__latents="kept")).tokenizer is None
    run = runs.of(config_of("", data__latents="kept", generator__fields__classes=2))
    with pytest.raises(ValueError, match="but the clips have no labels: prepare kept with"):
        run.training_data(run.stages[0])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tokenizer__model": ""}, "config.tokenizer.model names no video VAE"),
        ({"tokenizer__model": "wan9"}, "config.tokenizer: no model is named 'wan9'"),
        ({"generator__fields__channels": 8}, "config.generator: fields.channels is 8, but latents"),
        ({"generator__fields__patch": 2}, "config.generator: latents of 1 x 1 do not divide into"),
        ({"generator__fields__heads": 3}, "config.generator: a width of 16 does not divide into 3"),
        ({"stages__generator__data__frames": 8}, "config.stages: a clip has 1 .* got 8"),
        (
            {"stages__generator__data__buckets": ((16, 16, 4, 1), (32, 32, 4, 1))},
            "config.stages.generator: data.buckets: a generator has one; got 2",
        ),
        ({"stages__generator__steps": 0}, "config.stages.generator: steps is at least 1; got 0"),
        ({"run": ("vae",)}, "config.run names 'vae'; config.stages has: generator"),
    ],
)
def test_a_value_that_cannot_be_is_a_sentence(tokenizer, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        runs.of(config_of(tokenizer[1], **changes))


def test_sources_that_number_other_classes_are_not_mixed(tokenizer, monkeypatch):
    data = types.SimpleNamespace(
        classes={"VideoFiles": ("bike", "run"), "Shards": ("archery", "bike")}, labelled=True
    )
    monkeypatch.setattr(video_data, "training", lambda *_: data)
    run = runs.of(config_of(tokenizer[1], generator__fields__classes=2))
    with pytest.raises(ValueError, match="one number would mean several classes .VideoFiles: bike"):
        run.training_data(run.stages[0])
    data.classes["Shards"] = data.classes["VideoFiles"]
    assert run.training_data(run.stages[0]).classes == data.classes


def test_names_of_classes_are_as_many_as_the_generator_knows(tokenizer, monkeypatch):
    data = types.SimpleNamespace(classes={"VideoFiles": ("bike", "run", "walk")}, labelled=True)
    monkeypatch.setattr(video_data, "training", lambda *_: data)
    run = runs.of(config_of(tokenizer[1], generator__fields__classes=2))
    with pytest.raises(ValueError, match="classes is 2, but the clips have 3 classes: set that"):
        run.training_data(run.stages[0])


def test_a_generator_of_classes_is_not_trained_on_clips_without_labels(tokenizer):
    run = runs.of(config_of(tokenizer[1], generator__fields__classes=2))
    with pytest.raises(ValueError, match="but the clips have no labels: set data.labels, or list"):
        run.training_data(run.stages[0])


def test_a_label_above_the_classes_ends_the_run_with_its_number(tokenizer, monkeypatch):
    run = runs.of(config_of(tokenizer[1], generator__fields__classes=2))
    monkeypatch.setattr(sources.Rendered, "labelled", True)
    data = run.training_data(run.stages[0])
    batch = next(data.batches())

    class Labelled:
        def batches(self):
            yield batch.replace(label=np.array([0, 1, 2, 1], np.int32))

    data._data = Labelled()
    with pytest.raises(ValueError, match="has the label 2; config.generator.fields.classes is 2"):
        next(data.batches())


def test_a_generator_learns_of_whole_frames(tokenizer):
    run = runs.of(config_of(tokenizer[1]))
    assert run.training_data(run.stages[0]).augment.scale == (1.0, 1.0)


def test_a_name_without_weights_encodes_nothing_to_train_on():
    run = runs.of(config_of("pv_vae_tiny"))  # launch.compile needs none
    with pytest.raises(ValueError, match="tokenizer.model = pv_vae_tiny is a name without weights"):
        run.training_data(run.stages[0])


def test_a_run_on_clips_knows_the_names_of_its_classes(tokenizer, tmp_path):
    run = runs.of(config_of(tokenizer[1], generator__fields__classes=2))
    workdir.open_workdir(tmp_path, run.config)
    workdir.open_latents(tmp_path, run.latents)
    workdir.keep_classes(tmp_path, {"VideoFiles": ("bike", "run")})
    assert runs.of_workdir(tmp_path).latents.classes == ("bike", "run")
    workdir.keep_classes(tmp_path, {"Shards": ("bike", "run")})
    assert runs.of_workdir(tmp_path).latents.classes == ("bike", "run")
    workdir.keep_classes(tmp_path, {"Shards": ("run", "bike")})
    assert runs.of_workdir(tmp_path).latents.classes == ()
