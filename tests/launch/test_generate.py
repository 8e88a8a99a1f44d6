"""Generators as a user meets them: trained, killed, resumed, sampled, decoded again."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from launch import generate as door
from pv_vae_jax.checkpoint import export
from pv_vae_jax.data import video_files
from pv_vae_jax.zoo import registry
from tests import tiny
from tests.launch import runs
from tests.models.test_generator import other
from tests.ports import free_port

CONFIG = "tests/configs/smallest_generator.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tokenizer, the same with another decoder, and one with another encoder."""
    folder = tmp_path_factory.mktemp("generate")
    vae = registry.create("pv_vae_tiny", seed=1, **tiny.SHALLOW)
    export.save(folder / "vae.npz", vae)
    export.save(folder / "decoder.npz", other(vae, "decoder"))
    export.save(folder / "encoder.npz", other(vae, "encoder"))
    return folder


@pytest.fixture(scope="module")
def whole(place):
    done = runs.train(place / "whole", config=f"{CONFIG}:{place / 'vae.npz'},12")
    assert done.returncode == 0, done.stderr
    assert "samples:" in done.stdout
    return place / "whole"


@pytest.fixture(scope="module")
def samples(place, whole):
    door.main(
        ["--workdir", str(whole), "--count", "5", "--batch", "2", "--out", str(place / "samples")]
    )
    return place / "samples"


def latents_of(folder):
    return {path.name: np.load(path) for path in sorted((folder / "latents").glob("*.npy"))}


def films_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "videos").glob("*.mp4"))}


@pytest.mark.slow
def test_a_killed_run_of_a_generator_resumes_bit_for_bit(place, whole):
    config = f"{CONFIG}:{place / 'vae.npz'},12"
    killed = runs.start(place / "killed", config=config)
    runs.wait_for(place / "killed" / "checkpoints" / "generator" / "3", killed)
    runs.kill(killed)
    assert not (place / "killed" / "checkpoints" / "generator" / "12").exists()
    done = runs.train(place / "killed", config=config)
    assert done.returncode == 0, done.stderr
    ours, theirs = (runs.arrays(place / name, "generator", 12) for name in ("killed", "whole"))
    assert len(ours) > 60
    assert all(np.array_equal(ours[path], theirs[path]) for path in theirs)
    records = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert records[-1]["step"] == 12 and "velocity/0.00-0.25" in records[0] | records[1]


def test_another_tokenizer_is_refused_where_the_run_goes_on(place, whole):
    encoder = place / "encoder.npz"
    encoder.replace(place / "kept.npz")
    (place / "vae.npz").rename(encoder)  # the file that the config names is another one now
    (place / "kept.npz").rename(place / "vae.npz")
    try:
        done = runs.train(whole, config=f"{CONFIG}:{place / 'vae.npz'},12")
    finally:
        (place / "vae.npz").rename(place / "kept.npz")
        encoder.rename(place / "vae.npz")
        (place / "kept.npz").rename(encoder)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert re.search("the latents of the run in .* were made by other weights", done.stderr)


def test_samples_have_latents_films_and_a_grid(samples):
    assert list(latents_of(samples)) == [f"{i:06d}.npy" for i in range(5)]
    film = np.concatenate(list(video_files.iterate(samples / "videos" / "000004.mp4", 8)))
    assert film.shape == (5, 16, 16, 3)
    assert (samples / "grid.png").stat().st_size and (samples / "grid.mp4").stat().st_size
    about = json.loads((samples / "generation.json").read_text())
    assert about["latents"]["identity"]["name"] == "pv_vae_tiny"
    assert about["settings"]["steps"] == 3


def test_a_sample_that_is_lost_is_drawn_again_the_same(samples, whole):
    latents, films = latents_of(samples), films_of(samples)
    (samples / "latents" / "000003.npy").unlink()
    (samples / "videos" / "000003.mp4").unlink()
    door.main(["--workdir", str(whole), "--count", "5", "--batch", "2", "--out", str(samples)])
    again = latents_of(samples)
    for name in latents:
        np.testing.assert_allclose(again[name], latents[name], atol=1e-5)
    assert [name for name in films if films_of(samples)[name] != films[name]] in (
        [],
        ["000003.mp4"],
    )


def test_a_decoder_swapped_in_later_changes_the_films_alone(place, samples):
    before = {path.name: path.read_bytes() for path in (samples / "latents").iterdir()}
    door.main(
        ["--latents", str(samples), "--vae", str(place / "decoder.npz"), "--count", "5",
         "--out", str(place / "again")]
    )  # fmt: skip
    assert {path.name: path.read_bytes() for path in (samples / "latents").iterdir()} == before
    assert not (place / "again" / "latents").exists()
    one, other_ = films_of(samples), films_of(place / "again")
    assert set(one) == set(other_) and all(one[name] != other_[name] for name in one)
    with pytest.raises(ValueError, match="were made by other weights of the encoder"):
        door.main(
            ["--latents", str(samples), "--vae", str(place / "encoder.npz"), "--count", "5",
             "--out", str(place / "never")]
        )  # fmt: skip


def test_an_exported_generator_draws_what_its_run_draws(place, whole, samples):
    path = place / "generator.npz"
    done = runs.door("launch.export", "--workdir", str(whole), "--out", str(path))
    assert done.returncode == 0, done.stderr
    assert "latte_tiny t4s16c4, 14,772 parameters, stage generator, step 12" in done.stdout
    door.main(
        ["--generator", str(path), "--count", "2", "--batch", "2", "--out", str(place / "two")]
    )
    for name, latents in latents_of(place / "two").items():
        np.testing.assert_allclose(latents, latents_of(samples)[name], atol=1e-5)


def test_clips_are_continued_in_one_table(place, whole, tmp_path):
    random = np.random.default_rng(0)
    clip = random.integers(0, 256, (20, 16, 16, 3), np.uint8)
    video_files.write(tmp_path / "films" / "film.mp4", [clip])
    door.main(
        ["extend", "--workdir", str(whole), "--from", str(tmp_path / "films"), "--observe", "1",
         "--clips", "1", "--samples", "2", "--out", str(tmp_path / "out")]
    )  # fmt: skip
    table = (tmp_path / "out" / "table.md").read_text()
    for row in ("flow, a sample", "flow, mean of the samples", "VAE's prediction", "repeated"):
        assert row in table
    values = json.loads((tmp_path / "out" / "results.json").read_text())
    assert values["best"]["model"] <= values["sample"]["model"]
    assert values["sampling"]["steps"] == 3 and values["generator"]["name"] == "latte_tiny"
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"000.png", "000.mp4"}


@pytest.mark.slow
def test_two_processes_of_two_devices_draw_what_one_draws(place, whole, samples, tmp_path):
    command = ["--workdir", str(whole), "--count", "5", "--batch", "2", "--out", str(tmp_path)]
    cluster = f"--coordinator=127.0.0.1:{free_port()}", "--processes=2"
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "launch.generate", *command, *cluster, f"--process={i}"],
            cwd=runs.ROOT, env=runs.environment(2),
        )
        for i in range(2)
    ]  # fmt: skip
    assert [process.wait(280) for process in both] == [0, 0]
    assert set(films_of(tmp_path)) == set(films_of(samples))
    for name, latents in latents_of(tmp_path).items():
        np.testing.assert_allclose(latents, latents_of(samples)[name], atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--count", "0"], "--count is at least 1, got 0"),
        (["--rate", "0"], "--rate is frames per second, above 0, at most 1000; got 0"),
        (["--rate", "nan"], "--rate is frames per second"),
        (["--labels", "1"], "this generator is unconditional: it takes no labels"),
        (["--labels", "a"], "--labels a: whole numbers with commas between"),
        (["--guidance", "2"], "guidance = 2.0 needs labels"),
        (["--solver", "rk4"], "a solver is one of euler, heun; got 'rk4'"),
        (["--guided", "0.5"], "--guided is A:B, two times; got 0.5"),
        (["--guided", "0.5:0.2"], "guided is a pair of times"),
        (["--stage", "later"], "has no stage 'later'; its stages are: generator"),
        (["--seed", "7"], "holds other samples: seed differ"),
        (["--batch", "0"], "--batch is at least 1, got 0"),
        (["--cache", "kept"], "--cache kept is for --baseline"),
        (["--weights", "a.pth"], "--weights a.pth is of a baseline: name it with --vae"),
        (
            ["--vae", "pv_vae_hybrid_tiny"],
            "were made by another model: pv_vae_tiny, not pv_vae_hybrid_tiny",
        ),
    ],
)
def test_bad_input_is_a_sentence(whole, samples, arguments, sentence):
    out = ["--workdir", str(whole), "--count", "5", "--out", str(samples)]
    with pytest.raises(ValueError, match=sentence):
        door.main([*out, *arguments])


@pytest.mark.parametrize("flags", [["--steps", "3"], ["--guided", "0:1"], ["--stage", "a"]])
def test_flags_of_a_generator_are_refused_where_none_draws(samples, flags):
    with pytest.raises(ValueError, match=f"{flags[0]} is of a generator, and none draws here"):
        door.main(["--latents", str(samples), "--out", str(samples), *flags])
