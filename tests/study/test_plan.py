import dataclasses
import shlex

import pytest

from pv_vae_jax.study.plan import Cell, Measure, Study
from pv_vae_jax.study.step import Step, own

MEASURES = {"figure": Measure("figure", "score", "score.json", ("value",))}


def cell(variant, seed, rate="1"):
    vae = Step("vae", "train", ("--rate", rate, f"--seed={seed}", own("run", "--workdir=")), "run")
    tuned = Step("tuned", "train", (vae.file("run", "--from="), own("run")), "run")
    used = tuned if variant.startswith("tuned") else vae
    score = Step("score", "evaluate", ("--model", used.file("run")), "score.json")
    return Cell(variant, seed, (score,))


def study(*cells):
    return Study("s", "f", "?", cells, MEASURES, cells[0].variant)


def test_cells_share_the_steps_that_both_need():
    plain, tuned = cell("plain", 0), cell("tuned", 0)
    assert [s.kind for s in plain.ordered()] == ["vae", "score"]
    assert [s.kind for s in tuned.ordered()] == ["vae", "tuned", "score"]
    assert set(plain.ordered()) & set(tuned.ordered()) == {plain.step("vae")}
    assert not set(plain.ordered()) & set(cell("plain", 1).ordered())


def test_a_step_that_reads_another_step_has_another_folder():
    one, other = cell("plain", 0, "1").step("score"), cell("plain", 0, "2").step("score")
    assert one.arguments[0] == other.arguments[0] == "--model"
    assert one.folder != other.folder


def test_another_config_is_another_step_and_notes_are_not():
    step = cell("plain", 0).step("vae")
    assert dataclasses.replace(step, config="{}").folder != step.folder
    assert dataclasses.replace(step, about={"updates": 3}).folder == step.folder


def test_commands_name_folders_below_the_root():
    step = cell("tuned", 0).step("tuned")
    vae = step.needs[0]
    assert step.command("R") == [
        "launch.train",
        f"--from=R/{vae.folder}/run",
        f"R/{step.folder}/run",
    ]


def test_a_command_is_typed_as_a_shell_reads_it():
    step = Step("vae", "train", ("--config.run=('decoder',)", own("run", "--workdir=")), "run")
    typed = step.typed("R")
    assert "'" in typed and shlex.split(typed) == ["python", "-m", *step.command("R")]


def test_parts_share_no_step_and_together_are_the_study():
    whole = study(*(cell(v, s) for s in range(3) for v in ("plain", "tuned")))
    parts = [whole.part(n, 2) for n in range(2)]
    names = [[c.name for c in part.cells] for part in parts]
    assert sorted(sum(names, [])) == sorted(c.name for c in whole.cells)
    one, other = ({s for c in part.cells for s in c.ordered()} for part in parts)
    assert not one & other
    with pytest.raises(ValueError, match="falls into 3 parts"):
        whole.part(3, 4)
    with pytest.raises(ValueError, match="--part 2/2: parts are 0/2 to 1/2"):
        whole.part(2, 2)


def test_cells_are_chosen_by_variant_or_name_and_others_are_a_sentence():
    whole = study(*(cell(v, s) for s in range(2) for v in ("plain", "tuned")))
    assert [c.name for c in whole.chosen(["tuned", "plain/1"]).cells] == [
        "tuned/0",
        "plain/1",
        "tuned/1",
    ]
    with pytest.raises(
        ValueError, match="--cells other: the study s has the variants plain, tuned"
    ):
        whole.chosen(["other"])


def test_a_study_that_says_a_cell_twice_is_refused():
    with pytest.raises(ValueError, match="has twice: plain/0"):
        study(cell("plain", 0), cell("plain", 0))
