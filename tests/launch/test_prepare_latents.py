"""launch.prepare_data latents as a user's command: what is kept, killed, gone on, refused."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from launch import prepare_data
from pv_vae_jax.checkpoint import export
from pv_vae_jax.core import trees
from pv_vae_jax.data import latents, rendered, shards, video_files
from pv_vae_jax.data.clips import Draw
from pv_vae_jax.data.prepare import items, pieces
from pv_vae_jax.data.prepare import run as preparation
from pv_vae_jax.generation.caching.run import Caching
from pv_vae_jax.models import identity
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry
from tests.data import films
from tests.generation.kept import files, records, small_vae
from tests.launch import runs
from tests.launch.test_two_processes import ended
from tests.ports import free_port

SIZE = ("--frames=5", "--height=16", "--width=16", "--batch=1", "--quiet")
FLIPPED = ("--rendered=20", "--flip", "--records_per_shard=16")  # 40 + 2 records in 3 + 1 shards


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The path of an export with latent statistics of its own, and the model."""
    vae = small_vae()
    path = tmp_path_factory.mktemp("model") / "vae.npz"
    export.save(path, vae)
    return path, vae


def cache(model, out, *arguments):
    return prepare_data.main(["latents", f"--model={model[0]}", f"--out={out}", *SIZE, *arguments])


@pytest.fixture(scope="module")
def done(model, tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("done") / "latents"
    assert cache(model, out, *FLIPPED) == 0
    return out


def index_of(folder):
    return json.loads((folder / latents.NAME).read_text())


def test_what_is_kept_is_the_posterior_of_each_clip_rounded_to_float16(model, done):
    for split, count in (("train", 40), ("held_out", 2)):
        found = records(done, split)
        assert len(found) == count
        for n, (header, mean, logvar) in enumerate(found):
            scene = n // 2 if split == "train" else n
            video = rendered.Scene.drawn(scene, 5, 16, 16, split).video()
            mirrored = split == "train" and n % 2
            video = video[:, :, ::-1] if mirrored else video
            assert header.key == f"{split}/{scene}" + "/mirrored" * bool(mirrored)
            assert header.source == f"rendered {split} scene {scene}" and header.label == -1
            assert header.draw == dataclasses.asdict(Draw(flip=bool(mirrored)))
            wanted = model[1].posterior(np.repeat(video[None], 8, axis=0))
            assert mean.dtype == np.float16 and mean.shape == (2, 1, 1, 4)
            for kept, exact in ((mean, wanted.mean[0]), (logvar, wanted.logvar[0])):
                np.testing.assert_allclose(kept, exact, rtol=2**-11, atol=1e-6)


def test_the_index_says_whose_latents_these_are_of_which_clips_and_how_they_are_spread(model, done):
    index, vae = index_of(done), model[1]
    assert index["identity"] == identity.identity(vae)
    assert index["clips"] == {
        "frames": 5, "height": 16, "width": 16, "stride": 1, "draws": 1, "flip": True, "seed": 0,
        "rendered": 20, "world": "photographs", "held_out": 0.1, "version": [],
    }  # fmt: skip
    assert (index["dtype"], index["shape"], index["labels"]) == ("float16", [2, 1, 1, 4], 0)
    assert [index["splits"][s]["records"] for s in ("train", "held_out")] == [40, 2]
    assert [s["records"] for s in index["splits"]["train"]["shards"]] == [16, 16, 8]
    every = np.stack([mean for s in ("train", "held_out") for _, mean, _ in records(done, s)])
    z = (every.reshape(-1, 4).astype(np.float64) - vae.mean[None]) / vae.std[None]
    found = index["moments"]
    np.testing.assert_allclose(found["channel_mean"], z.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found["channel_std"], z.std(0), rtol=1e-6)
    np.testing.assert_allclose([found["mean"], found["std"]], [z.mean(), z.std()], rtol=1e-6)
    assert not (done / "work").exists()


@pytest.mark.parametrize(
    "moment", ["train-00001-of-00003.array_record", "train-00001-of-00003.array_record.json",
               "held_out-00000-of-00001.array_record", "latents.json"]
)  # fmt: skip
def test_a_run_that_ends_between_any_two_files_goes_on_to_the_same_bytes(
    model, done, tmp_path, monkeypatch, moment
):
    out, real, replace = tmp_path / "out", Caching._write, os.replace

    def dies(source, target):
        if pathlib.Path(target).name == moment:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        cache(model, out, *FLIPPED)
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match="no latents.json at .*the same command goes on"):
        latents.Latents(out)
    (out / ".train-00001-of-00003.array_record.1-1.partial").write_bytes(b"half a shard")
    before = {path.name for path in (out / "work").glob("*.array_record.json")}
    written = []
    monkeypatch.setattr(
        Caching, "_write", lambda *a: written.append(f"{a[1].name}.json") or real(*a)
    )
    assert cache(model, out, *FLIPPED) == 0
    assert before.isdisjoint(written) and len(before) + len(written) == 4
    assert files(out) == files(done)


def test_the_same_command_on_a_finished_folder_does_nothing_and_says_so(
    model, done, monkeypatch, capsys
):
    before = {path: path.stat().st_mtime_ns for path in done.iterdir()}
    monkeypatch.setattr(Caching, "_write", lambda *_: pytest.fail("encoded again"))
    assert cache(model, done, *FLIPPED) == 0
    said = capsys.readouterr().out
    assert "was finished before: nothing was to do." in said
    assert "train: 40 records, no classes, 0.4 MB.\nheld_out: 2 records" in said
    assert f"--config.data.latents={done}" in said and "normalised latents: mean " in said
    assert {path: path.stat().st_mtime_ns for path in done.iterdir()} == before


def other(model, tmp_path, prefix, statistics=None, **fields):
    """An export whose parameters under ``prefix``, statistics or fields differ."""
    vae = model[1]
    flat = trees.flatten(vae.params)
    params = {path: leaf + 1 if path.startswith(prefix) else leaf for path, leaf in flat.items()}
    config = {"name": "pv_vae_tiny", "fields": vae.config["fields"] | fields}
    module = registry.build("pv_vae_tiny", **config["fields"])
    known = {"mean": vae.mean, "std": vae.std} | (statistics or {})
    path = tmp_path / "other.npz"
    export.save(path, VideoVAE(module, trees.unflatten(params), **known, config=config))
    return path, None


@pytest.mark.parametrize("begun", [False, True], ids=["finished", "begun"])
def test_another_model_or_other_options_are_refused_by_name(model, done, tmp_path, begun):
    folder = done
    if begun:
        folder, index = tmp_path / "begun", index_of(done)
        names = ("identity", "clips", "dtype", "shape", "records_per_shard")
        (folder / "work").mkdir(parents=True)
        text = json.dumps({name: index[name] for name in names})
        (folder / "work" / "begun.json").write_text(text)
    with pytest.raises(ValueError, match="by other weights of the encoder .version"):
        cache(other(model, tmp_path, "encoder/"), folder, *FLIPPED)
    with pytest.raises(ValueError, match="with other latent statistics: the mean of 3 of 4"):
        cache(other(model, tmp_path, "nothing", {"mean": np.ones(4)}), folder, *FLIPPED)
    with pytest.raises(ValueError, match="another pv_vae_tiny: its time_padding is replicate"):
        cache(other(model, tmp_path, "nothing", time_padding="zeros"), folder, *FLIPPED)
    with pytest.raises(ValueError, match="otherwise: frames is 9 and was 5; shape is .3, 1, 1, 4."):
        cache(model, folder, *FLIPPED, "--frames=9")
    with pytest.raises(ValueError, match="rendered is 21 and was 20. Give the same options, or an"):
        cache(model, folder, *FLIPPED, "--rendered=21")
    with pytest.raises(ValueError, match="dtype is 'bfloat16' and was 'float16'"):
        cache(model, folder, *FLIPPED, "--dtype=bfloat16")


def test_a_decoder_that_was_swapped_in_makes_the_same_latents(model, done, tmp_path, capsys):
    swapped = other(model, tmp_path, "decoder/")
    assert cache(swapped, done, *FLIPPED) == 0
    assert "nothing was to do" in capsys.readouterr().out
    identity.check(identity.identity(export.load(swapped[0])), latents.Latents(done).identity, "")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Two films of 40 numbered frames in folders of their own, and one of 20."""
    folder = tmp_path_factory.mktemp("videos")
    for name, frames in (("walk/a.mp4", 40), ("swim/b.mp4", 40), ("walk/c.mp4", 20)):
        (folder / name).parent.mkdir(exist_ok=True)
        video_files.write(folder / name, [films.numbered(frames)])
    return folder


def test_the_class_of_a_clip_is_its_folder_or_its_file(model, videos, tmp_path, capsys):
    given = (f"--from={videos}", "--labels=folder", "--held_out=0.2")
    assert cache(model, tmp_path / "a", *given) == 0
    said = capsys.readouterr().out
    assert "train: 20 records, 2 classes" in said and "held_out: 4 records, 2 classes" in said
    assert "held_out: 1 files or records are not used" in said
    kept = latents.Latents(tmp_path / "a")
    assert kept.classes == ("swim", "walk") and kept.labels == 2
    assert sorted({kept.record(n).label for n in range(len(kept))}) == [0, 1]
    cache(model, tmp_path / "b", f"--from={videos}", "--labels=file", "--held_out=0")
    kept = latents.Latents(tmp_path / "b")
    assert kept.classes == ("swim/b.mp4", "walk/a.mp4", "walk/c.mp4")
    assert [header.label for header, *_ in records(tmp_path / "b")] == [0] * 10 + [1] * 10 + [2] * 5
    with pytest.raises(ValueError, match="no split 'held_out'; it has: train"):
        latents.Latents(tmp_path / "b", "held_out")


def test_shards_are_encoded_with_their_own_splits_and_labels(model, videos, tmp_path):
    rules = pieces.Rules(frames=9, shortest=5, side=16, static=0.0, held_out=0.0, shards=1)
    (tmp_path / "list.csv").write_text(f"path,label\n{videos}/walk/a.mp4,5\n")
    preparation.prepare(
        items.of(tmp_path / "list.csv")[0], tmp_path / "shards", rules, progress=False
    )
    assert cache(model, tmp_path / "out", f"--shards={tmp_path / 'shards'}") == 0
    index = index_of(tmp_path / "out")
    assert set(index["splits"]) == {"train"} and index["labels"] == 6
    source = shards.Shards(tmp_path / "shards", every=4).of_length(5)
    video = source.clip(0, Draw(), 5, 16, 16).video
    posterior = model[1].posterior(np.repeat(video[None], 8, axis=0))
    np.testing.assert_allclose(
        records(tmp_path / "out")[0][1], posterior.mean[0], rtol=2**-11, atol=1e-6
    )


WRONG = {
    "--frames=6": "a clip has 1 . 4n frames, got 6",
    "--height=20": "20",
    "--draws=0": "--draws is a number from 1, got 0",
    "--draws=2": "a rendered clip is always the same; for more of them give --rendered 40",
    "--held_out=1": "--held_out is a share from 0 and below 1",
    "--labels=file": "--labels file is for videos",
    "--records_per_shard=1": "--records_per_shard is a number from 2, got 1",
    "--batch=0": "--batch and --threads are from 1, got 0",
}


@pytest.mark.parametrize("flag", WRONG)
def test_a_wrong_option_is_a_sentence_and_leaves_nothing(model, tmp_path, flag):
    with pytest.raises(ValueError, match=WRONG[flag]):
        cache(model, tmp_path / "out", *FLIPPED, flag)
    assert not (tmp_path / "out").exists()


def test_videos_that_are_too_short_for_a_part_are_told(model, videos, tmp_path):
    given = (f"--from={videos}", "--stride=3")  # a clip reaches over 13 frames, the part has 4
    with pytest.raises(ValueError, match=r"(?s)--stride 3 in each .*0 for none.*: none of 3 files"):
        cache(model, tmp_path / "out", *given)
    assert cache(model, tmp_path / "out", *given, "--held_out=0") == 0
    assert index_of(tmp_path / "out")["splits"]["train"]["records"] == 7


def test_the_help_of_the_older_door_names_this_one(capsys):
    with pytest.raises(SystemExit):
        prepare_data.main(["--help"])
    assert "python -m launch.prepare_data latents --help" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        prepare_data.main(["latents", "--help"])
    assert "--records_per_shard" in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_make_the_bytes_of_one(model, done, tmp_path):
    flags = [f"--coordinator=127.0.0.1:{free_port()}", "--processes=2"]
    arguments = [f"--model={model[0]}", f"--out={tmp_path / 'out'}", *SIZE, *FLIPPED]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "launch.prepare_data", "latents", *arguments, *flags,
             f"--process={process}"],
            cwd=runs.ROOT, env=runs.environment(2), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for process in range(2)
    ]  # fmt: skip
    outputs = ended(processes)
    assert ["is ready" in output for output in outputs] == [True, False]
    alone = [sys.executable, "-m", "launch.prepare_data", "latents", *arguments[:1]]
    alone += [f"--out={tmp_path / 'one'}", *arguments[2:]]
    subprocess.run(alone, cwd=runs.ROOT, env=runs.environment(1), check=True, timeout=280)
    assert files(tmp_path / "out") == files(tmp_path / "one")
