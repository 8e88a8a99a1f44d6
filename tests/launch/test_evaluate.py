"""The door; the judge is a small one, but for one slow test."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from skimage.metrics import structural_similarity

import pv_vae_jax as pv
from launch import evaluate as door
from pv_vae_jax.checkpoint import export
from pv_vae_jax.core import pixels, trees
from pv_vae_jax.data import video_files
from pv_vae_jax.evaluation import evaluate, protocol, result_files, setting
from pv_vae_jax.losses import perceptual
from pv_vae_jax.metrics import frechet
from pv_vae_jax.zoo import registry
from tests import tiny
from tests.evaluation import judges
from tests.launch import runs
from tests.ports import free_port

SMALL = ["--protocol", "small"]
for _setting in ("datasets=rendered", "videos=6", "frames=5", "height=64", "width=64"):
    SMALL += ["--set", _setting]


@pytest.fixture
def judge(monkeypatch):
    it = judges.Moments()
    it.check = lambda: True
    monkeypatch.setattr(setting.i3d, "load", lambda file: it)
    return it


@pytest.fixture
def own_features(monkeypatch, tmp_path):
    monkeypatch.setattr(setting.judging.cache, "folder", lambda name: tmp_path / "cache" / name)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "mine.npz"
    export.save(path, registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW), {"frames": 5})
    return str(path)


@pytest.mark.usefixtures("own_features")
def test_a_result_holds_its_protocol_and_a_second_run_costs_nothing(judge, model, tmp_path, capsys):
    out = tmp_path / "out"
    command = [*SMALL, "--set", "speed=1,1,2", "--model", model, "--out", str(out)]
    door.main(command)
    text = capsys.readouterr().out
    result = json.loads((out / "mine" / "results.json").read_text())
    assert "| mine | t4s16c4 |" in text and (out / "table.md").read_text().strip() in text
    used = result["protocol"]
    assert used["name"].startswith("small+datasets=rendered,videos=6")
    assert used["judge"] == {"name": "moments", "sha256": "0" * 64, "prepared": "as they are"}
    assert len(used["lpips"]["sha256"]) == 64 and used["decoder"]["opencv"]
    keys = (out / "mine" / "videos.txt").read_text().split()
    assert used["list_sha256"] == protocol.checksum(keys) and len(keys) == 6
    assert set(result["figures"]) == {"psnr", "ssim", "lpips", "rfvd"}
    assert result["speed"]["iterations_per_second"] > 0 and result["model"]["sha256"]
    assert {"decoding", "reconstructing", "judging"} <= set(result["seconds"])
    looked = judge.looked
    (out / "earlier").mkdir()
    earlier = result | {"model": result["model"] | {"label": "earlier"}}
    (out / "earlier" / "results.json").write_text(json.dumps(earlier))
    door.main(command)
    table = (out / "table.md").read_text()
    assert "| mine | t4s16c4 |" in table and "| earlier | t4s16c4 |" in table
    again = json.loads((out / "mine" / "results.json").read_text())
    assert again["figures"] == result["figures"] and judge.looked == looked
    assert again["protocol"] == used and again["speed"] == result["speed"]
    assert all(again["seconds"][what] >= spent for what, spent in result["seconds"].items())
    with pytest.raises(
        ValueError, match="mine holds a result of another datasets .*choose another"
    ):
        door.main([*command, "--set", "datasets=smooth"])

    door.main(["compare", str(out / "mine"), str(out / "mine"), "--out", str(out / "both.md")])
    assert (out / "both.md").read_text().count("| mine |") == 2


@pytest.mark.usefixtures("own_features")
def test_figures_are_those_of_the_models_own_methods(judge, model, tmp_path):
    door.main([*SMALL, "--set", "speed=1,0,0", "--model", model, "--out", str(tmp_path)])
    result = json.loads((tmp_path / "mine" / "results.json").read_text())
    assert result["speed"] is None
    used = protocol.named("small").changed(SMALL[3::2])
    vae, lpips = export.load(model), perceptual.load("alexnet")
    clips = np.stack([video.read() for video in setting.videos.of_datasets(used, {})[:6]])
    again = np.clip(np.rint((np.asarray(vae.decode(vae.encode(clips))) + 1) * 127.5), 0, 255)
    again = again.astype(np.uint8)
    errors = np.mean((again - clips.astype(np.float64)) ** 2, axis=(1, 2, 3, 4))
    form = {"data_range": 255, "gaussian_weights": True, "use_sample_covariance": False}
    ssim = [
        structural_similarity(a, b, channel_axis=-1, sigma=1.5, **form)
        for one, other in zip(again, clips, strict=True)
        for a, b in zip(one, other, strict=True)
    ]
    floats = (each / np.float32(127.5) - 1 for each in (again, clips))
    expected = {
        "psnr": np.mean(10 * np.log10(255**2 / errors)),
        "ssim": np.mean(ssim),
        "lpips": float(np.mean(lpips(*floats))),
        "rfvd": frechet.of_features(judge.logits(clips), judge.logits(again)),
    }
    for name, value in expected.items():
        assert result["figures"][name]["value"] == pytest.approx(value, rel=2e-3), name


@pytest.mark.usefixtures("own_features", "judge")
def test_a_reconstruction_that_is_not_finite_gives_a_sentence_and_no_figure(model, tmp_path):
    vae = export.load(model)
    leaves = trees.flatten(vae.params)
    path = next(path for path in leaves if path.startswith("decoder") and path.endswith("bias"))
    leaves[path] = leaves[path] * np.nan
    vae.params = trees.unflatten(leaves)
    bad = tmp_path / "bad.npz"
    export.save(bad, vae, {})
    with pytest.raises(
        ValueError, match="reconstruction of rendered/scene_.* by bad is not finite"
    ):
        door.main([*SMALL, "--model", str(bad), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out" / "bad" / "results.json").exists()


@pytest.mark.usefixtures("own_features", "judge")
def test_samples_are_measured_against_the_real_videos(tmp_path):
    settings = ["--set", "task=generation", "--set", "speed=1,0,0"]
    used = protocol.named("small").changed([*SMALL[3::2], "task=generation"])
    real = np.stack([v.read() for v in setting.videos.of_datasets(used, {})[:6]])
    np.savez(tmp_path / "same.npz", samples=real)
    np.savez(tmp_path / "dark.npz", samples=real // 4)
    samples = [str(tmp_path / f"{name}.npz") for name in ("same", "dark")]
    door.main([*SMALL, *settings, "--samples", *samples, "--out", str(tmp_path / "out")])
    same, dark = (
        json.loads((tmp_path / "out" / name / "results.json").read_text())["figures"]
        for name in ("same", "dark")
    )
    assert same["fvd"]["value"] < 1e-3 < 10 < dark["fvd"]["value"]
    assert set(same) == {"fvd", "kvd", "is_i3d-kinetics400"}
    np.savez(tmp_path / "dark.npz", samples=real // 2)
    door.main([*SMALL, *settings, "--samples", *samples, "--out", str(tmp_path / "out")])
    told = json.loads((tmp_path / "out" / "dark" / "results.json").read_text())["figures"]
    assert told["fvd"]["value"] < 0.9 * dark["fvd"]["value"]  # the file of that name is another
    compared = tmp_path / "compared.md"
    door.main(["compare", *map(str, (tmp_path / "out").iterdir()), "--out", str(compared)])
    assert "dark" in compared.read_text()
    with pytest.raises(FileNotFoundError, match="results.json"):
        door.main(["compare", str(tmp_path / "out" / "table.md")])
    for name, kind in (("mp4", video_files.MP4), ("lossless", video_files.LOSSLESS)):
        for i, clip in enumerate(real):
            video_files.write(tmp_path / name / "videos" / f"{i}.mp4", [clip], kind=kind)
        films = ["--samples", str(tmp_path / name), "--out", str(tmp_path / "films")]
        door.main([*SMALL, *settings, *films])
        result = json.loads((tmp_path / "films" / name / "results.json").read_text())
        coding = {"mp4": "h264, yuv420p", "lossless": "h264, gbrp"}[name]
        assert result["protocol"]["samples"] == coding
        assert any("codec alone" in told for told in result["warnings"]) == (name == "mp4")
        assert (result["figures"]["fvd"]["value"] < 1e-3) == (name == "lossless")
    few = str(tmp_path / "few.npz")
    np.savez(few, samples=real[:4])
    with pytest.raises(
        ValueError, match="compares 6 videos with as many samples, and .*few.npz has 4"
    ):
        door.main([*SMALL, *settings, "--samples", few, "--out", str(tmp_path / "out")])


@pytest.mark.usefixtures("own_features", "judge")
def test_what_the_decoder_does_to_all_it_decodes_does_not_count_through_it(model, tmp_path):
    settings = ["--set", "task=generation", "--set", "speed=1,0,0"]
    used = protocol.named("small").changed([*SMALL[3::2], "task=generation"])
    real = np.stack([v.read() for v in setting.videos.of_datasets(used, {})[:6]])
    vae = pv.load(model)
    again = pixels.eight_bits(vae.decode(vae.encode(real)))
    np.savez(tmp_path / "again.npz", samples=again)
    found = {}
    for name, more in {"as_they_are": [], "through": ["--through", model]}.items():
        out = tmp_path / name
        samples = ["--samples", str(tmp_path / "again.npz"), "--out", str(out)]
        door.main([*SMALL, *settings, *samples, *more])
        found[name] = json.loads((out / "again" / "results.json").read_text())
    as_they_are, through = (each["figures"]["fvd"]["value"] for each in found.values())
    assert through < 1e-3 < 10 < as_they_are
    assert protocol.differences(*(each["protocol"] for each in found.values()))
    with pytest.raises(ValueError, match="--through is for --samples"):
        door.main([*SMALL, "--model", model, "--through", model, "--out", str(tmp_path / "x")])


@pytest.mark.usefixtures("own_features", "judge")
def test_an_unreadable_video_is_named_and_its_place_taken_only_if_so_wanted(model, tmp_path):
    data = tmp_path / "ucf"
    lists = [
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g02_c01.avi",
    ]
    lists += [f"Archery/v_Archery_g0{i}_c01.avi" for i in (1, 2, 3)]
    (data / "ucfTrainTestlist").mkdir(parents=True)
    (data / "ucfTrainTestlist" / "classInd.txt").write_text("1 ApplyEyeMakeup\n2 Archery\n")
    (data / "ucfTrainTestlist" / "testlist01.txt").write_text("\n".join(lists) + "\n")
    for i, name in enumerate(lists):
        film = data / "UCF-101" / name
        made = film.with_suffix(".mp4")
        video_files.write(made, [np.full((6, 64, 64, 3), 40 * i, np.uint8)])
        made.rename(film)
    (data / "UCF-101" / lists[3]).write_bytes(b"not a film")
    settings = ["--protocol", "small"]
    for each in ("datasets=ucf101", "split=test01", "videos=4", "frames=5", "speed=1,0,0"):
        settings += ["--set", each]
    command = [*settings, "--data", str(data), "--model", model, "--out", str(tmp_path / "out")]
    keys = protocol.order(0, [f"ucf101/{name.split('/')[1][:-4]}" for name in lists])
    broken = f"ucf101/{lists[3].split('/')[1][:-4]}"
    if broken == keys[-1]:
        pytest.fail("the broken film is the one that is not wanted: choose another")
    with pytest.raises(
        ValueError, match=f"1 of the 4 videos of small.* cannot be used: {broken}: "
    ):
        door.main(command)
    door.main([*command, "--replace"])
    result = json.loads((tmp_path / "out" / "mine" / "results.json").read_text())
    assert list(result["replaced"]) == [broken]
    assert (tmp_path / "out" / "mine" / "videos.txt").read_text().split() == [
        key for key in keys if key != broken
    ]


@pytest.mark.parametrize(
    "more, message",
    [
        (["--protocol", "k400-ltd", "--model", "pv_vae_tiny"], "is a protocol of latents"),
        (
            ["--protocol", "ucf101-gen", "--model", "pv_vae_tiny"],
            "of generation: it is for --samples",
        ),
        (
            ["--protocol", "k400-recon-256", "--model", "pv_vae_tiny"],
            "kinetics400 needs the folder",
        ),
        (
            [*SMALL, "--set", "frames=6", "--model", "pv_vae_tiny"],
            r"a clip has 1 \+ 4n frames, got 6",
        ),
        ([*SMALL, "--model", "pv_vae_tiny", "--batch", "0"], "--batch is at least 1"),
        ([*SMALL, "--model", "pv_vae_tiny", "--classifier", "c.pth"], "--classifier is for --sam"),
        ([*SMALL, "--set", "speed=0,0,1", "--model", "pv_vae_tiny"], "speed is clips of a batch"),
        ([*SMALL, "--model", "a", "b", "--weights", "x.pth"], "--weights is NAME=... here"),
        ([*SMALL, "--model", "pv_vae_tiny", "--data", "ucf101=x"], "ucf101 is none of rendered"),
        ([*SMALL, "--model", "a/x.npz", "b/x.npz"], "two results have the label x"),
        ([*SMALL, "--set", "judge=c3d", "--model", "pv_vae_tiny"], "or a file of your own by --j"),
    ],
)
@pytest.mark.usefixtures("judge")
def test_what_cannot_be_measured_is_a_sentence(more, message, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        door.main([*more, "--out", str(tmp_path / "out")])


@pytest.mark.usefixtures("own_features", "judge")
def test_the_model_computes_in_the_precision_of_the_protocol(model):
    vae = export.load(model)
    half = evaluate.placed(vae, "bfloat16")
    assert half.config["fields"]["dtype"] == "bfloat16"
    assert dataclasses.replace(protocol.named("small")).precision == "float32"
    clip = np.random.default_rng(0).integers(0, 256, (1, 5, 32, 32, 3), np.uint8)
    difference = np.abs(half.encode(clip) - vae.encode(clip)).max()
    assert 0 < difference < 0.5


@pytest.mark.usefixtures("own_features", "judge")
def test_a_model_of_other_fields_is_another_model(tmp_path):
    one, other = (
        registry.create("pv_vae_transformer_tiny", seed=1, window=window) for window in (5, 1)
    )
    assert trees.digest(one.params) == trees.digest(other.params)
    for vae in (one, other):
        export.save(tmp_path / "mine.npz", vae, {})
        command = [*SMALL, "--set", "speed=1,0,0", "--model", str(tmp_path / "mine.npz")]
        if vae is one:
            door.main([*command, "--out", str(tmp_path / "out")])
        else:
            with pytest.raises(ValueError, match="holds an evaluation with another model"):
                door.main([*command, "--out", str(tmp_path / "out")])


@pytest.mark.usefixtures("own_features", "judge")
def test_too_few_source_videos_are_told_before_the_first_is_looked_at(model, tmp_path):
    with pytest.raises(ValueError, match="looks at 2 source videos, .* want 3: --set videos"):
        door.main([*SMALL, "--set", "videos=2", "--model", model, "--out", str(tmp_path)])
    assert not list(tmp_path.rglob("rows/*"))


def test_results_of_other_doors_are_told_apart(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.json").write_text('{"samples/fvd": 3.0}')
    with pytest.raises(ValueError, match="run/results.json is no result of launch.evaluate"):
        door.main(["compare", str(tmp_path / "run")])
    assert result_files.beside(tmp_path, ["mine"]) == []


@pytest.mark.slow
def test_two_processes_of_two_devices_give_the_figures_of_one(model, tmp_path):
    """With the real judge, each process looking at every second video."""
    command = [
        *SMALL,
        "--set",
        "frames=9",
        "--set",
        "speed=1,1,1",
        "--model",
        model,
        "--batch",
        "2",
    ]

    def start(out, devices, *more):
        door_ = [sys.executable, "-m", "launch.evaluate", *command, "--out", str(tmp_path / out)]
        env = runs.environment(devices) | {"PV_VAE_JAX_CACHE": str(tmp_path / out / "cache")}
        env["XLA_FLAGS"] = env["XLA_FLAGS"].split()[0]  # the judge's answer wants real programs
        return subprocess.Popen([*door_, *more], cwd=runs.ROOT, env=env)

    cluster = f"--coordinator=127.0.0.1:{free_port()}", "--processes=2"
    both = [start("two", 2, *cluster, f"--process={i}") for i in range(2)]
    assert [process.wait(500) for process in both] == [0, 0]
    assert start("one", 1).wait(500) == 0
    one, two = (
        json.loads((tmp_path / out / "mine" / "results.json").read_text()) for out in ("one", "two")
    )
    assert two["device"].startswith("4 x") and one["device"].startswith("1 x")
    assert protocol.differences(one["protocol"], two["protocol"]) == []
    for name, interval in one["figures"].items():
        assert two["figures"][name]["value"] == pytest.approx(interval["value"], rel=1e-3), name
