"""The door of the analyses as a user meets it."""

import json

import pytest

from launch import analyse as door
from launch import report
from pv_vae_jax.analysis import analyse, drawing, finding, probes
from pv_vae_jax.checkpoint import export, generator_export
from pv_vae_jax.zoo import registry
from tests import tiny
from tests.analysis.test_correlation import points_of

SMALL = ["--protocol", "small-ltd", "--show", "1"]
ONLY = ["--only", "pca,ltd,prediction,videos"]
for _setting in ("datasets=rendered", "videos=4", "frames=9", "height=32", "width=32"):
    SMALL += ["--set", _setting]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("analyse")
    for name, seed in (("plain", 3), ("predictive", 4)):
        vae = registry.create("pv_vae_tiny", seed=seed, **tiny.SHALLOW)
        export.save(folder / f"{name}.npz", vae, {"stage": name, "step": 5})
    return folder


def command(place, *more):
    models = [str(place / f"{name}.npz") for name in ("plain", "predictive")]
    return ["--model", *models, *SMALL, *(more or ONLY), "--out", str(place / "out")]


@pytest.mark.slow
def test_two_models_go_through_everything_and_a_second_command_computes_nothing(
    place, capsys, monkeypatch
):
    door.main(command(place))
    text, out = capsys.readouterr().out, place / "out"
    assert (out / "table.md").read_text().strip() in text
    for name in ("pca", "ltd", "prediction"):
        assert f"**{name}**, small-ltd+datasets=rendered" in text
        assert {"png", "svg"} == {path.suffix[1:] for path in out.glob(f"{name}.*")}
    assert text.count("| plain | t4s16c4 |") == text.count("| predictive | t4s16c4 |") == 3
    for label in ("plain", "predictive"):
        known = finding.read(out / label, "prediction")
        assert known.command.startswith("python -m launch.analyse --model ")
        assert known.model["sha256"] and known.model["training"]["stage"] == label
        assert known.values["observed"] == 5
    dates = {path: json.loads(path.read_text())["date"] for path in out.rglob("finding.json")}
    assert len(dates) == 8

    def look(*_, **__):
        raise AssertionError("something is computed again")

    monkeypatch.setattr(analyse, "Look", look)
    (out / "ltd.svg").unlink()
    monkeypatch.setattr(drawing, "possible", lambda: False)
    door.main(command(place))
    again = capsys.readouterr().out
    assert again.splitlines()[:-1] == text.splitlines()[:-1]
    assert 'pip install -e ".[plots]", then the same command' in again
    monkeypatch.undo()
    monkeypatch.setattr(analyse, "Look", look)
    door.main([*command(place), "--page", str(place / "page")])
    assert (out / "ltd.svg").exists()
    page = (place / "page" / "index.html").read_text()
    assert "plain" in page and "predictive" in page
    assert dates == {
        path: json.loads(path.read_text())["date"] for path in out.rglob("finding.json")
    }


def test_probes_are_of_latents_and_of_the_generator_that_is_named(place, monkeypatch, capsys):
    probed = []

    def probe(setup, vae, about, generator=None, layer=None, time=0.5):
        probed.append((about["label"], generator, layer, time))
        figures = {"flow_epe": finding.Figure("flow, EPE", 2.0, better="less")}
        return finding.Finding("probes_latents", about, setup.protocol, {}, figures)

    monkeypatch.setattr(probes, "probe", probe)
    monkeypatch.setattr(generator_export, "load", lambda path: f"loaded {path}")
    named = f"{place / 'plain.npz'}=latte.npz"
    door.main(command(place, "--only", "probes", "--generator", named, "--layer", "3"))
    assert probed == [
        ("plain", None, None, 0.5),
        ("plain", "loaded latte.npz", 3, 0.5),
        ("predictive", None, None, 0.5),
    ]
    assert "**probes_latents**, small-ltd+datasets=rendered" in capsys.readouterr().out


def test_the_report_has_a_door_of_its_own(monkeypatch):
    told = []
    monkeypatch.setattr(report, "main", told.append)
    door.main(["report", "findings", "--out", "page"])
    assert told == [["findings", "--out", "page"]]


def test_the_correlation_of_points_is_told_and_drawn(tmp_path, capsys):
    texts = points_of(tmp_path, [(0.1, 50), (0.2, 60), (0.3, 90)])
    door.main(["correlation", *texts, "--out", str(tmp_path / "out")])
    told = capsys.readouterr().out
    assert "Prediction error against FVD: rank correlation 1.000" in told
    assert "FVD of samples against steps; the baseline is g0" in told
    known = json.loads((tmp_path / "out" / "correlation.json").read_text())
    assert len(known["points"]) == 3
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        f"{name}.{ending}"
        for name, endings in (
            ("correlation", ("json", "md", "png", "svg")),
            ("convergence", ("png", "svg")),
        )
        for ending in endings
    }


@pytest.mark.parametrize(
    "more, message",
    [
        (["--protocol", "medium"], "no protocol is named 'medium'"),
        ([*SMALL, "--set", "frames=6"], r"1 \+ 4n frames, got 6"),
        ([*SMALL, "--set", "frames=1"], "2 groups of frames or more"),
        ([*SMALL, "--only", "pca,probe"], "--only is some of pca,ltd,prediction,videos,probes"),
        ([*SMALL, "--only", "probes", "--budget", "huge"], "--budget is one of small, long, full"),
        ([*SMALL, "--only", "ltd", "--tasks", "flow"], "--tasks is of probes, which --only ltd"),
        ([*SMALL, "--only", "ltd", "--generator", "g"], "--generator is of probes"),
        ([*SMALL, "--only", "probes", "--time", "0"], "--time is of a --generator"),
        ([*SMALL, "--only", "probes", "--grid", "0"], "--grid is an even number"),
        ([*SMALL, "--only", "probes", "--grid", "-8"], "--grid is an even number"),
        ([*SMALL, "--flow", "raft"], "--flow is dis, exact, or a folder"),
        ([*SMALL, "--model", "a/x.npz", "b/x.npz"], "two models have the label x"),
    ],
)
def test_what_cannot_be_analysed_is_a_sentence(more, message, tmp_path):
    model = [] if "--model" in more else ["--model", "pv_vae_tiny"]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        door.main([*model, *more, "--out", str(tmp_path / "out")])


def test_a_missing_data_set_says_what_to_get_and_where(tmp_path):
    told = "kinetics400 needs the folder .* official list .*cvdfoundation.*docs/datasets.md"
    with pytest.raises(ValueError, match=told):
        door.main(["--model", "pv_vae_tiny", "--protocol", "k400-ltd", "--out", str(tmp_path)])
