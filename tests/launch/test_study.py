import ast
import copy
import importlib
import itertools
import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from configs import pv_vae_661m
from configs.studies import cells, generator, rows, scales, vae
from launch import models
from launch import study as door
from pv_vae_jax.core import arrays
from pv_vae_jax.study.step import Step
from pv_vae_jax.training.vae_run import VAERun
from pv_vae_jax.withholding.law import Withholding

STUDIES = sorted(pathlib.Path("configs").glob("study_*.py"))
assert STUDIES, "tests run in the root of the repository"


def overridden(config, arguments):
    """A config with ``--config.KEY=VALUE`` arguments, as launch.train reads them."""
    for argument in arguments:
        key, _, value = argument.removeprefix("--config.").partition("=")
        *path, last = key.split(".")
        place = config
        for name in path:
            place = place[name]
        old = place[last]
        place[last] = (
            ast.literal_eval(value) if isinstance(old, (bool, tuple)) else type(old)(value)
        )
    return config


def changes(one, other, path=""):
    """The keys in which two plain configs differ."""
    if isinstance(one, dict):
        return {k for name in one for k in changes(one[name], other[name], f"{path}.{name}")}
    return set() if one == other else {path[1:]}


@pytest.mark.parametrize("name", rows.ROWS)
def test_a_row_differs_from_the_whole_method_only_in_what_it_says(name):
    row = rows.row(name)
    flags = [
        *rows.flags(row.model, "model.fields"),
        *rows.flags(row.predictive, "stages.predictive"),
    ]
    config = overridden(vae.get_config("smooth"), flags).to_dict()
    said = {f"model.fields.{key}" for key in row.model}
    said |= {f"stages.predictive.{key}" for key in row.predictive}
    assert changes(config, vae.get_config("smooth").to_dict()) == said
    VAERun.of(config)  # a sentence where a value cannot be


@pytest.mark.parametrize("size", vae.STEPS)
def test_configs_of_a_cell_are_those_of_runs(size):
    for world, network in itertools.product(vae.WORLDS, vae.NETWORKS):
        VAERun.of(vae.get_config(f"{world},{size},{network}").to_dict())
    assert generator.get_config(f",{size}").stages.generator.steps == generator.STEPS[size]


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_study_is_one_and_pairs_its_seeds_with_the_control(path):
    made = door.read(str(path))
    control = {c.seed for c in made.cells if c.variant == made.control}
    assert all(cell.seed in control for cell in made.cells)
    for cell in made.cells:
        assert all(cell.step(measure.kind) for measure in made.measures.values())
    panels = made.curves.panels.values() if made.curves else ()
    points = [point for lines in panels for line in lines.values() for point in line]
    assert all(v in made.variants and name in made.measures for _, v, name in points)


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_study_is_there_at_the_size_of_the_paper(path):
    made = door.read(f"{path}:full,/data")
    commands = [" ".join(s.command("R")) for cell in made.cells for s in cell.ordered()]
    assert any("--config=configs/pv_vae_661m.py:661m" in command for command in commands)
    assert any("configs/latte_ucf101.py:R/model-" in command for command in commands)
    trained = [command for command in commands if "/data/k400" in command and "train" in command]
    assert trained and all("/data/k400/train" in command for command in trained)  # val judges


@pytest.mark.parametrize("size", ["small,smooth", "small,film", "full,/data"])
@pytest.mark.parametrize("name", rows.ROWS)
def test_every_row_is_a_run_at_every_size(name, size):
    step = cells.cell(name, 0, scales.scale(size)).step("vae")
    path, _, argument = step.arguments[0].removeprefix("--config=").partition(":")
    config = runpy.run_path(path)["get_config"](argument)
    flags = [a for a in step.arguments[1:] if isinstance(a, str) and ".data." not in a]
    flags = [a for a in flags if ".run=" not in a]
    VAERun.of(overridden(config, flags).to_dict())


def test_curves_of_longer_clips_train_and_judge_longer_clips():
    study = door.read("configs/study_figure_1.py:small,smooth,13")
    told = " ".join(study.cells[0].step("generator").command("R"))
    assert "--config.stages.generator.data.frames=13" in told
    assert "smooth-gen+videos=256+frames=13" in told


@pytest.mark.parametrize("size", ["small,smooth", "small,smooth,13", "small,film", "full,/data"])
def test_the_doors_of_a_cell_understand_its_commands(size):
    (cell,) = door.read(f"configs/study_table_4.py:{size}").chosen(["decoder/0"]).cells
    understood = set()
    for step in cell.ordered():
        module, *arguments = step.command("R")
        if step.door not in ("train", "prepare_data"):  # absl flags; several parsers
            importlib.import_module(module).parser().parse_args(arguments)
            understood.add(step.door)
    assert understood == {"export", "generate", "evaluate", "analyse"}


def test_figures_are_drawn_against_what_was_trained():
    vae_curves = door.read("configs/study_figure_5.py:small,smooth").curves.panels["KVD ↓"]
    assert [at for at, *_ in vae_curves["baseline"]] == [3000, 6000, 12000]
    generator_curves = door.read("configs/study_figure_1.py:small,smooth").curves.panels
    drawn = generator_curves["FVD of 256 samples ↓"]["+ motion term"]
    assert drawn[0] == (1125, "motion_curve", "fvd_1125") and drawn[-1][0] == 4500


@pytest.mark.parametrize(
    ("size", "half"), [("small,smooth", (16, 24, 24)), ("full,/data", (64, 64, 128, 256, 512))]
)
def test_a_row_that_is_half_as_wide_says_so_and_nothing_else(size, half):
    study = door.read(f"configs/study_capacity.py:{size}").chosen(
        ["baseline/0", "baseline_narrow/0"]
    )
    narrow, usual = (
        {a for a in cell.step("vae").arguments if isinstance(a, str)} for cell in study.cells
    )
    assert narrow == usual | {f"--config.model.fields.widths={half}"}


def test_rows_of_table_4_share_what_a_frozen_encoder_leaves_alone():
    study = door.read("configs/study_table_4.py:small,smooth")
    found = {c.variant: c for c in study.cells if c.seed == 0}
    motion, decoder, unfrozen = (found[name] for name in ("motion", "decoder", "unfrozen"))
    for kind in ("vae", "latents", "generator"):
        assert motion.step(kind) == decoder.step(kind)
    assert unfrozen.step("vae") == motion.step("vae")
    assert unfrozen.step("generator") != motion.step("generator")
    assert motion.step("samples") != decoder.step("samples")
    assert found["baseline"].step("generator") == found["baseline_decoder"].step("generator")


@pytest.mark.parametrize(("argument", "most"), [("", [3, 1, 2]), (":full,/data", [4, 2, 3])])
def test_rows_of_table_5_withhold_different_amounts(argument, most):
    study = door.read(f"configs/study_table_5.py{argument}")
    config = pv_vae_661m.get_config() if argument else vae.get_config("smooth")
    found = {}
    for cell in study.cells:
        flags = [a for a in cell.step("vae").arguments if isinstance(a, str) and ".stages." in a]
        stage = overridden(copy.deepcopy(config), flags).stages.predictive
        law = Withholding(**stage.withholding)
        found[cell.variant] = law.range_of_k((stage.data.frames - 1) // 4, step=0)
    assert list(found.values()) == [(0, k) for k in most]


def test_models_of_the_film_are_judged_on_live_action_too():
    film, smooth = (door.read(f"configs/study_table_4.py:small,{w}") for w in ("film", "smooth"))
    assert set(film.measures) - set(smooth.measures) == {"live_psnr", "live_lpips"}
    assert set(smooth.measures) - set(film.measures) == {"next_mse", "features_next_mse"}
    (cell,) = film.chosen(["decoder/0"]).cells
    live, usual = (cell.step(kind) for kind in ("live", "reconstruction"))
    assert live.needs == usual.needs and "live-recon" in live.arguments
    assert "live" not in {step.kind for step in smooth.cells[0].ordered()}


def test_longer_clips_reach_every_door_and_have_a_family_of_their_own():
    study = door.read("configs/study_table_5.py:tiny,smooth,13")
    assert study.family == "tiny_smooth_13"
    for step in study.cells[0].ordered():
        told = " ".join(step.command("R"))
        stages = {"vae": "predictive", "tuned": "decoder", "generator": "generator"}
        if step.kind in stages:
            assert f"--config.stages.{stages[step.kind]}.data.frames=13" in told
        elif step.kind == "latents":
            assert "--frames 13" in told
        elif step.kind in ("generation", "through", "reconstruction", "analyses"):
            assert "--set frames=13" in told
    with pytest.raises(ValueError, match="have 9 frames, in smooth also 13, 17; got '11' for smo"):
        scales.scale("tiny,smooth,11")
    with pytest.raises(ValueError, match="got '13' for film"):
        scales.scale("tiny,film,13")


def test_seeds_and_sizes_reach_every_training_of_a_cell():
    made = cells.cell("decoder", 3, scales.scale("tiny,smooth"))
    trainings = [step for step in made.ordered() if step.door == "train"]
    assert [step.kind for step in trainings] == ["vae", "generator", "tuned"]
    assert all("--config.seed=3" in step.arguments for step in trainings)


def test_commands_are_printed_in_the_order_in_which_they_run(capsys):
    door.main(
        ["--study", "configs/study_table_4.py:tiny", "--root", "R", "--out", "O", "--commands"]
        + ["--cells", "baseline/0"]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# baseline/0"
    doors = [line.split()[2] for line in lines[1:]]
    assert doors[:2] == ["launch.train", "launch.export"] and doors[-1] == "launch.analyse"


def test_bad_input_is_a_sentence(tmp_path):
    common = ["--root", str(tmp_path), "--out", str(tmp_path)]
    with pytest.raises(FileNotFoundError, match="--study nowhere.py: there is no such file"):
        door.main(["--study", "nowhere.py", *common])
    with pytest.raises(ValueError, match="configs/base.py is no study"):
        door.main(["--study", "configs/base.py", *common])
    for part in ("one", "/4", "0/0", "4/4"):
        with pytest.raises(ValueError, match=f"--part is I/N, such as 0/4, .*; got '{part}'"):
            door.main(["--study", "configs/study_table_4.py:tiny", *common, "--part", part])
    with pytest.raises(ValueError, match="--jobs is at least 1, got 0"):
        door.main(["--study", "configs/study_table_4.py:tiny", *common, "--list", "--jobs", "0"])
    for flag in ("--root", "--out"):
        with pytest.raises(ValueError, match=f"{flag} gs://b/a: a study lies in folders of this"):
            door.main(["--study", "configs/study_table_4.py:tiny", *common, flag, "gs://b/a"])
    with pytest.raises(ValueError, match="no row is named 'other'"):
        rows.row("other")
    with pytest.raises(ValueError, match=r"has no results of study table_4"):
        door.main(["--study", "configs/study_table_4.py:tiny", *common, "--table"])


def test_a_study_needs_a_root_but_for_its_table(tmp_path, capsys):
    command = ["--study", "configs/study_table_4.py:tiny", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        door.main(command)
    assert end.value.code == 2 and "are required: --root" in capsys.readouterr().err
    with pytest.raises(ValueError, match="has no results of study table_4"):
        door.main([*command, "--table"])
    with pytest.raises(ValueError, match="--table is of all cells .*: leave out --cells"):
        door.main([*command, "--table", "--cells", "baseline"])


def test_results_of_another_world_are_never_written_over(tmp_path):
    place = tmp_path / "baseline" / "0.json"
    place.parent.mkdir()
    place.write_text(json.dumps({"family": "tiny_film", "variant": "baseline", "steps": []}))
    command = ["--study", "configs/study_table_4.py:tiny,smooth", "--root", str(tmp_path / "root")]
    with pytest.raises(ValueError, match="is of tiny_film, variant baseline, not of tiny_smooth"):
        door.main([*command, "--out", str(tmp_path)])
    assert "tiny_film" in place.read_text() and not (tmp_path / "root").exists()


def test_an_old_result_is_not_run_again(tmp_path, capsys, monkeypatch):
    study = door.read("configs/study_table_4.py:tiny").chosen(["baseline/0"])
    (cell,) = study.cells
    monkeypatch.setattr(Step, "command", lambda *_: pytest.fail("a step was run"))
    path = tmp_path / "out" / "baseline" / "0.json"
    path.parent.mkdir(parents=True)
    known = {
        "family": study.family,
        "variant": "baseline",
        "seed": 0,
        "figures": dict.fromkeys(study.measures, 1.0),
        "steps": [
            {"folder": step.folder, "kind": step.kind, "about": dict(step.about)}
            for step in cell.ordered()
        ],
        "seconds": 60.0,
    }
    path.write_text(json.dumps(known))
    with pytest.raises(SystemExit) as end:
        door.main(
            ["--study", "configs/study_table_4.py:tiny", "--root", str(tmp_path / "root")]
            + ["--out", str(tmp_path / "out"), "--cells", "baseline/0"]
        )
    assert end.value.code == 0
    assert "done" in capsys.readouterr().out
    assert (tmp_path / "out" / "table_4.md").exists()


def _run(root, out, log, *more):
    command = [sys.executable, "-m", "launch.study", "--study", "configs/study_table_4.py:tiny"]
    command += ["--root", str(root), "--out", str(out), "--cells", "baseline/0", *more]
    one_device = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return subprocess.Popen(command, stdout=log, stderr=log, env=one_device)


@pytest.mark.slow
def test_a_tiny_cell_that_is_stopped_goes_on_and_ends_with_the_same_digits(tmp_path):
    study = door.read("configs/study_table_4.py:tiny")
    cell = study.chosen(["baseline/0"]).cells[0]
    started = tmp_path / "cut" / cell.step("vae").folder / "log.txt"
    with open(tmp_path / "log.txt", "w") as log:
        whole = _run(tmp_path / "whole", tmp_path / "a", log)
        assert whole.wait() == 0, (tmp_path / "log.txt").read_text()
        cut = _run(tmp_path / "cut", tmp_path / "b", log)
        while not started.exists() or b"predictive:" not in started.read_bytes():
            time.sleep(0.2)
        cut.send_signal(signal.SIGTERM)
        assert cut.wait() == 130
        assert not (tmp_path / "b").exists()
        again = _run(tmp_path / "cut", tmp_path / "b", log)
        assert again.wait() == 0, (tmp_path / "log.txt").read_text()
    one, other = (json.loads((tmp_path / d / "baseline" / "0.json").read_text()) for d in "ab")
    assert one["figures"] == other["figures"] and one["figures"].keys() == study.measures.keys()
    models = [arrays.read(tmp_path / d / "baseline" / "0.npz") for d in "ab"]
    assert (tmp_path / "a" / "baseline" / "0.npz").stat().st_size < 5e6
    for name, leaf in models[0].items():
        np.testing.assert_array_equal(leaf, models[1][name])


@pytest.mark.parametrize(
    ("kind", "flag"),
    [("generation", "--samples"), ("through", "--samples"), ("reconstruction", "--model")],
)
def test_a_study_looks_for_results_where_the_door_writes_them(kind, flag):
    step = door.read("configs/study_table_4.py:tiny").cells[0].step(kind)
    subject = step.arguments[step.arguments.index(flag) + 1]
    assert step.makes == f"result/{models.label_of(subject.told('STEP'))}/results.json"
