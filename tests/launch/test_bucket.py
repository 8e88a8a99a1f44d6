"""A run at gs://, in a bucket on this machine (tests/buckets.py)."""

import concurrent.futures
import hashlib
import json
import os
import time

import gcsfs
import jax
import numpy as np
import pytest

from pv_vae_jax.checkpoint import export
from pv_vae_jax.checkpoint.manager import Checkpoints
from pv_vae_jax.core import storage
from pv_vae_jax.data import latents, rendered, shard_index, shards, sources, video_files
from pv_vae_jax.data.clips import ClipError, Draw
from pv_vae_jax.data.prepare import assemble, items, pieces
from pv_vae_jax.data.prepare import run as preparation
from pv_vae_jax.generation.caching.clips import Clips
from pv_vae_jax.generation.caching.run import Caching
from pv_vae_jax.sharding import shapes
from pv_vae_jax.training import reporting, workdir
from pv_vae_jax.zoo import registry
from tests import buckets, tiny
from tests.data import films
from tests.data.test_shards import write as write_shards
from tests.launch import runs


@pytest.fixture(scope="module")
def bucket():
    """gs://bucket for this process and those that it starts."""
    with buckets.emulator("bucket") as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        gcsfs.GCSFileSystem.clear_instance_cache()
        yield "gs://bucket"
        gcsfs.GCSFileSystem.clear_instance_cache()


def test_the_folder_of_a_run_can_be_in_a_bucket(bucket, tmp_path):
    run, config = storage.path(f"{bucket}/runs/a"), {"seed": 0, "runtime": {"keep": 2}}
    assert workdir.open_workdir(run, config) == {}
    changed = workdir.open_workdir(run, {"seed": 0, "runtime": {"keep": 1}})
    assert changed == {"runtime/keep": (2, 1)}
    assert len(storage.read(run / "runs.jsonl").splitlines()) == 2

    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    leaves = {str(n): np.full(100 + n, n, np.float32) for n in range(60)}  # several commits
    state = jax.device_put(leaves, device)
    checkpoints = Checkpoints(run / "checkpoints" / "predictive", keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, state, {"step": step})
    checkpoints.close()
    again = Checkpoints(run / "checkpoints" / "predictive", keep=2)
    assert again.steps() == (2, 3)
    with pytest.raises(
        ValueError, match="gs://bucket/runs/a holds a run of another config: config"
    ):
        workdir.open_workdir(run, {"seed": 1, "runtime": {"keep": 1}})
    restored, position = again.restore(shapes.of(state))
    jax.tree.map(np.testing.assert_array_equal, restored, leaves)
    assert position == {"step": 3}
    again.close()


def test_records_in_a_bucket_continue_after_a_kill(bucket, monkeypatch):
    run = storage.path(f"{bucket}/runs/b")
    first = reporting.Reporter(run, "predictive", (), 0, 9, enabled=True)
    for step in range(1, 5):
        first.record(step, {"total": 1.0 / step, "mse": 0.5})
    first.flush()  # and is killed without a close
    second = reporting.Reporter(run, "predictive", (), 2, 9, enabled=True)
    for step in range(3, 7):
        second.record(step, {"total": 2.0 / step, "mse": 0.5})
    second.close()
    lines = storage.read(run / "metrics.jsonl").decode().splitlines()
    records = [(each["step"], each["total"]) for each in map(json.loads, lines)]
    assert records == [(s, (1 if s < 3 else 2) / s) for s in range(1, 7)]
    boards = [name for name in storage.files_under(run / "tensorboard") if "tfevents" in name]
    assert boards and all(storage.stat(name)[0] > 100 for name in boards)
    first.close()


def test_models_films_and_what_is_known_of_them_can_be_in_a_bucket(bucket, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", f"{bucket}/cache")
    vae = registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW)
    for suffix in export.SUFFIXES:
        export.save(f"{bucket}/exports/tiny{suffix}", vae, {"frames": 9})
        loaded = export.load(f"{bucket}/exports/tiny{suffix}")
        jax.tree.map(np.testing.assert_array_equal, loaded.params, vae.params)
    video_files.write(f"{bucket}/films/walk/a.mp4", [films.numbered(40)])
    source = sources.VideoFiles(f"{bucket}/films", labels="folder")
    clip = source.clip(1, Draw(), 9, 48, 64)
    assert list(films.numbers(clip.video)) == list(range(20, 29)) and source.classes == ("walk",)
    assert len(storage.files_under(f"{bucket}/cache/manifests")) == 1


def test_latents_are_made_in_a_bucket_after_a_kill_too_and_read_from_it(
    bucket, tmp_path, monkeypatch
):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    vae, of = registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW), Clips(5, 16, 16)

    def cached(out):
        return Caching(vae, {"train": sources.Rendered("train", 12)}, of, {}, out, "float16", 8)

    cached(tmp_path / "here").run(1, 1, False)
    out, real = f"{bucket}/latents", storage.put

    def dies(file, where):
        if "latents.json" in str(where):
            raise KeyboardInterrupt
        real(file, where)

    monkeypatch.setattr(storage, "put", dies)
    with pytest.raises(KeyboardInterrupt):
        cached(out).run(1, 1, False)
    monkeypatch.setattr(storage, "put", real)
    with pytest.raises(FileNotFoundError, match="no latents.json at gs://bucket/latents"):
        latents.Latents(out)
    cached(out).run(1, 1, False)
    names = {name.rsplit("/latents/")[1] for name in storage.files_under(out)}
    assert names == {path.name for path in (tmp_path / "here").iterdir()}
    here, there = latents.Latents(tmp_path / "here"), latents.Latents(out)
    for n in range(12):
        np.testing.assert_array_equal(there.record(n).mean, here.record(n).mean)


def test_a_bucket_that_is_not_there_and_one_without_permission_are_sentences(bucket):
    with pytest.raises(OSError, match="--workdir: there is no gs://none/run/config.json; check"):
        workdir.open_workdir("gs://none/run", {"seed": 0})
    with buckets.refusing() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        gcsfs.GCSFileSystem.clear_instance_cache()
        with pytest.raises(OSError, match="--workdir: gs://closed/run.* may not be used .*gcloud"):
            workdir.open_workdir("gs://closed/run", {"seed": 0})
        with pytest.raises(OSError, match="gs://closed/films may not be used with the credentials"):
            sources.VideoFiles("gs://closed/films")
    gcsfs.GCSFileSystem.clear_instance_cache()


@pytest.mark.slow  # five processes: train once here, twice at a bucket, export both
def test_a_run_in_a_bucket_is_the_run_of_a_folder_across_a_kill(bucket, tmp_path):
    config = f"{runs.CONFIG}:60"
    assert runs.train(tmp_path / "run", config=config).returncode == 0
    killed = runs.start(f"{bucket}/runs/c", config=config)
    while not storage.exists(f"{bucket}/runs/c/checkpoints/predictive/3"):
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.05)
    runs.kill(killed)
    assert not storage.exists(f"{bucket}/runs/c/checkpoints/decoder")
    done = runs.train(f"{bucket}/runs/c", config=config)
    assert done.returncode == 0, done.stderr
    found = []
    for run in (tmp_path / "run", f"{bucket}/runs/c"):
        out = f"{bucket}/exports/{os.path.basename(run)}.npz"
        done = runs.door("launch.export", "--workdir", str(run), "--out", out)
        assert done.returncode == 0, done.stderr
        found.append(export.arrays.read(out))
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name])
    lines = storage.read(f"{bucket}/runs/c/metrics.jsonl").decode().splitlines()
    places = [(each["stage"], each["step"]) for each in map(json.loads, lines)]
    assert len(places) == len(set(places)) and places[-1][0] == "decoder"
    assert storage.exists(f"{bucket}/runs/c/results.json")


def test_films_in_a_bucket_are_prepared_into_a_bucket(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    for seed in range(3):
        path = tmp_path / "films" / f"{seed}.mp4"
        video_files.write(path, [rendered.render(seed, 20, 48, 64)])
        storage.write(f"{bucket}/raw/{path.name}", path.read_bytes())
    rules = pieces.Rules(frames=9, shortest=5, side=32, group=4, shards=2)
    here = preparation.prepare(items.of(tmp_path / "films")[0], tmp_path / "out", rules, 1, False)
    sources, written = items.of(f"{bucket}/raw")[0], []
    real = assemble.write_shard

    def dies(path, data):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        return real(path, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(assemble, "write_shard", dies)
        preparation.prepare(sources, f"{bucket}/out", rules, 1, False)
    assert not storage.exists(f"{bucket}/out/index.json")
    assert preparation.prepare(sources, f"{bucket}/out", rules, 1, False) == here
    there = {os.path.basename(name): name for name in storage.files_under(f"{bucket}/out")}
    assert sorted(there) == sorted(path.name for path in (tmp_path / "out").iterdir())
    for name, url in there.items():
        assert storage.read(url) == (tmp_path / "out" / name).read_bytes(), name
    assert (
        preparation.prepare(sources, f"{bucket}/out", rules, 1, False) == here
    )  # and is told as done
    assert not list((tmp_path / "cache" / "prepare").iterdir())


def test_shards_in_a_bucket_are_copied_once_and_compared(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    folder = write_shards(tmp_path / "made", 2, 2)
    index = json.loads((folder / "index.json").read_text())
    described = index["splits"]["train"]["shards"]
    for shard in described:
        shard["sha256"] = hashlib.sha256((folder / shard["name"]).read_bytes()).hexdigest()
        shard["records"] = [20] * shard["records"]
    shard_index.write(folder, {"train": described, "held_out": []}, {})
    first, second = sorted(folder.glob("*.array_record"))
    second.write_bytes(second.read_bytes()[:-1] + b"!")
    for file in folder.iterdir():
        storage.write(f"{bucket}/shards/{file.name}", file.read_bytes())
    source = shards.Shards(f"{bucket}/shards").of_length(9)
    assert not (tmp_path / "cache" / "shards").exists()  # the index alone was read
    wanted = shards.Shards(folder).of_length(9).clip(0, Draw(), 9, 16, 16)
    copied, here = [], storage.here
    monkeypatch.setattr(storage, "here", lambda where: copied.append(where) or here(where))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # of which one copies
        list(pool.map(lambda _: source.clip(0, Draw(), 9, 16, 16), range(4)))
    assert len(copied) == 1
    for _ in range(2):
        np.testing.assert_array_equal(source.clip(0, Draw(), 9, 16, 16).video, wanted.video)
        storage.write(f"{bucket}/shards/{first.name}", b"gone")  # the copy is read from now on
    with pytest.raises(ClipError, match=f"{second.name} record 0: sha256 is .* the index says"):
        source.clip(2, Draw(), 9, 16, 16)
