"""Image pretraining: a still is a clip of one frame, all the way through."""

import dataclasses
import json

import jax
import numpy as np
import PIL.Image
import pytest

from configs.base import base, stage
from pv_vae_jax.core import trees
from pv_vae_jax.evaluation import during_training
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import beginning, calibration, placement, reporting, restore, vae_step
from pv_vae_jax.training.vae_run import VAERun
from pv_vae_jax.withholding import Withholding
from pv_vae_jax.zoo import registry
from tests import tiny


@pytest.fixture(scope="module")
def run():
    config = base("pv_vae_tiny")
    config.model.fields.update(tiny.SHALLOW)
    config.data.rendered_weight = 1
    stills = {"frames": 1, "buckets": ((32, 16, 8, 1),), "strides": (1,)}
    config.stages.predictive = stage(
        steps=4, data=stills, withholding={"way": "mask"},
        optimizer={"learning_rate": 1e-2, "warmup": 1, "ema": 0.5},
    )  # fmt: skip
    config.run = ("predictive",)
    config.runtime.update(evaluate_clips=2, final_clips=2, observe=5)
    return VAERun.of(config.to_dict())


@pytest.fixture(scope="module")
def trained(run):
    """The state after two updates on rendered stills, and the report of the second."""
    (stage,), mesh = run.stages, meshes.make_mesh()
    placed = placement.of(run, stage, mesh)
    state = beginning.begin(run, placed, None)
    step = vae_step.compiled(
        vae_step.Networks(run.module), stage, 0, vae_step.Program(),
        placed.shardings, meshes.over_data(mesh),
    )  # fmt: skip
    batches = run.training_data(stage).batches(0, threads=0)
    batch = next(batches)
    batches.close()
    assert batch.video.shape == (8, 1, 32, 16, 3) and batch.observed.all()
    for _ in range(2):
        state, report = step(state, meshes.put_batch(mesh, batch), {})
    return state, reporting.merged([report])


def test_stills_train_every_parameter_but_the_padding(run, trained):
    state, values = trained
    before = trees.flatten(jax.device_get(run.initial_params()))
    after = trees.flatten(jax.device_get(state.params))
    kept = [path for path in before if np.array_equal(before[path], after[path])]
    assert kept == [path for path in before if path.startswith("padding/")]
    assert int(state.skipped) == 0 and np.isfinite(values["total"])
    assert values["mse"] > 0 and values["kl"] > 0


def test_pictures_are_for_stages_of_stills_alone(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    for seed in range(12):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{seed}.png")
    data = run.config["data"] | {"images": str(tmp_path)}
    with_images = VAERun.of(run.config | {"data": data})
    (stage,) = with_images.stages
    sources = with_images.training_data(stage).sources
    held_out = with_images.held_out(stage, 20)
    assert set(held_out) == {"images", "rendered"} and len(sources) == 2
    assert len(held_out["images"]) + len(sources[0]) == 12 and len(held_out["images"]) >= 1
    clips = dataclasses.replace(stage, data=dataclasses.replace(stage.data, frames=5))
    assert set(with_images.held_out(clips, 2)) == {"rendered"}


def test_a_still_has_no_difference_and_nothing_withheld(trained):
    _, values = trained
    assert "difference" not in values and "mse/withheld" not in values
    expected = values["mse"] + 5e-4 * values["kl"]
    assert values["total"] == pytest.approx(expected, rel=1e-5)


def test_the_withheld_groups_of_a_still_are_none():
    for way in ("mask", "slice"):
        observed = [Withholding(way=way).observed_at(0, step, 3, (1, 2, 1)) for step in range(9)]
        assert np.array(observed).ravel().tolist() == [True] * 9


def test_image_and_video_programs_share_all_weights(run, trained):
    params = jax.device_get(trained[0].params)
    apply = jax.jit(lambda params, video: run.module.apply({"params": params}, video))
    clip = tiny.batch((0,), frames=9).video.astype(np.float32) / 127.5 - 1

    def shapes(frames):
        init = jax.eval_shape(run.module.init, jax.random.key(0), clip[:, :frames])
        return trees.table(init["params"])

    assert shapes(1) == shapes(9)
    first, still = apply(params, clip)[:, :1], apply(params, clip[:, :1])
    np.testing.assert_allclose(first, still, atol=2e-5 * np.abs(still).max())


def test_statistics_of_stills_are_those_of_their_latents(run, trained):
    (stage,), params = run.stages, jax.device_get(trained[0].params)
    videos = list(run.calibration_videos(stage, 2))
    assert all(video.shape[1] == 1 for video in videos)
    mean, std = calibration.latent_statistics(run.module, params, videos)
    vae = registry.create("pv_vae_tiny", **tiny.SHALLOW)
    vae = VideoVAE(vae.module, params, vae.mean, vae.std, vae.config)
    latents = np.concatenate([vae.encode(video).reshape(-1, 4) for video in videos])
    np.testing.assert_allclose(mean, latents.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(std, latents.std(0), rtol=1e-3, atol=1e-6)


def test_held_out_stills_are_reconstructed_and_the_prediction_is_skipped(run, trained, tmp_path):
    evaluate, (stage,) = during_training.Evaluate(run), run.stages
    vae = restore.model_of(run, trained[0])
    values = evaluate(vae, stage, tmp_path / "pictures")
    assert set(values) == {"held_out/rendered/psnr"} and values["held_out/rendered/psnr"] > 0
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["rendered-0.png"]
    text = evaluate.report(vae, stage, tmp_path)
    assert "2 clips of 1 frame, 32x16" in text and "prediction skipped" in text
    assert "thumbnail" in text and "mean frame" not in text and "repeated" not in text
    figures = json.loads((tmp_path / "results.json").read_text())["rendered"]
    assert figures["prediction"] is None and figures["mean_frame"] is None
    assert figures["thumbnail"]["model"] == pytest.approx(values["held_out/rendered/psnr"])
