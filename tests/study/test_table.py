import dataclasses
import json

import numpy as np
import pytest

from pv_vae_jax.core import arrays
from pv_vae_jax.study import drawing, results, running, table
from pv_vae_jax.study.plan import Cell, Curves, Measure, Study
from pv_vae_jax.study.step import Step, own

MEASURES = {
    "fvd": Measure("FVD", "score", "score.json", ("figures", "fvd"), digits=1),
    "psnr": Measure("PSNR", "score", "score.json", ("figures", "psnr"), "more", 2),
}


def cell(variant, seed):
    step = Step("score", "evaluate", (variant, str(seed), own("out")), "score.json")
    return Cell(variant, seed, (step,))


@pytest.fixture
def made(tmp_path):
    """A study of two variants, its steps done, its results written."""
    numbers = {"plain": {0: 10.0, 1: 20.0, 2: 30.0}, "other": {1: 21.0, 2: 33.0}}
    cells = tuple(cell(v, s) for v in numbers for s in numbers[v])
    whole = Study("s", "f", "Is it?", cells, MEASURES, "plain", ("fvd",), {"score": "score.json"})
    for each in cells:
        folder = tmp_path / "root" / each.steps[0].folder
        folder.mkdir(parents=True)
        figures = {"fvd": numbers[each.variant][each.seed], "psnr": 30.0}
        (folder / "score.json").write_text(json.dumps({"figures": figures}))
        done = {"about": {"updates": 7}, "seconds": 60.0, "cores": 1, "date": "2026"}
        (folder / running.DONE).write_text(json.dumps(done))
        results.write(whole, each, tmp_path / "root", tmp_path / "out")
    return whole, tmp_path / "root", tmp_path / "out"


def test_a_mean_over_seeds_has_the_t_interval_of_a_textbook():
    found = table.Estimate.of([1.0, 2.0, 3.0], [0, 1, 2])
    # t quantile of 2 degrees of freedom 4.302653, standard deviation 1.
    assert found.mean == 2.0
    assert found.high - 2.0 == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert found.low == pytest.approx(4.0 - found.high)


def test_one_seed_has_no_interval():
    found = table.Estimate.of([1.0], [4])
    assert (found.low, found.high, found.clear) == (None, None, False)


def test_differences_are_of_common_seeds_only(made):
    whole, _, out = made
    found = results.read(whole, out)
    difference = table.contrast(found, table.differences(whole, ["plain", "other"])["other"], "fvd")
    assert difference.seeds == (1, 2)
    assert difference.mean == pytest.approx(2.0)  # (1 + 3) / 2
    # t quantile of 1 degree of freedom 12.7062; standard deviation of (1, 3) is sqrt(2).
    assert difference.high - difference.mean == pytest.approx(12.7062, rel=1e-4)
    assert "plain" not in table.differences(whole, ["plain", "other"])
    del found["plain"][2]
    assert "| seeds | 1 |" in table.text(whole, found).split("Difference from")[1]


def test_the_table_marks_only_differences_whose_interval_excludes_zero(made):
    whole, _, out = made
    text = table.text(whole, results.read(whole, out))
    first, second = text.split("Difference from")
    assert "|  | plain | other |" in first and "| seeds | 3 | 2 |" in first
    assert "| *FVD ↓* | 20.0 ± 24.8 | 27.0 ± 76.2 |" in first
    assert "| updates | score 7 | score 7 |\n| minutes | 1 | 1 |" in first
    assert "|  | other |" in second and "| *FVD ↓* | +2.0 [-10.7, +14.7] |" in second
    assert "| PSNR ↑ | +0.00 [+0.00, +0.00] |" in second
    clear = table.Estimate(1.0, 0.5, 1.5, (0, 1))
    assert table._differs(clear, MEASURES["fvd"]) == "**+1.0 [+0.5, +1.5]**"


def test_a_result_is_kept_only_for_the_same_steps(made):
    whole, root, out = made
    assert all(results.kept(whole, each, root, out) for each in whole.cells)
    other = Step("score", "evaluate", ("plain", "0", own("elsewhere")), "score.json")
    assert not results.kept(whole, Cell("plain", 0, (other,)), root, out)
    assert not results.kept(whole, cell("plain", 9), root, out)


def test_a_result_without_a_figure_of_the_study_is_read_off_its_steps_again(made):
    whole, root, out = made
    less, first = dataclasses.replace(whole, measures={"fvd": MEASURES["fvd"]}), whole.cells[0]
    results.write(less, first, root, out)
    assert results.kept(less, first, root, out) and not results.outdated(whole, out)
    assert not results.kept(whole, first, root, out)
    assert results.kept(whole, first, root / "elsewhere", out)  # where its steps are not
    assert results.incomplete(whole, out) == {first.name: ["PSNR ↑"]}
    results.write(whole, first, root, out)
    assert results.kept(whole, first, root, out)


def test_a_result_names_the_devices_of_its_training(made):
    whole, root, out = made
    run = root / whole.cells[0].steps[0].folder / "run"
    run.mkdir()
    start = {"devices": ["a", "b"], "device_kind": "TPU v5e"}
    (run / "runs.jsonl").write_text(json.dumps(start) + "\n")
    assert results.collect(whole, whole.cells[0], root)["device"] == "2 x TPU v5e"


def test_results_of_other_steps_are_left_out_of_the_table_and_named(made):
    whole, _, out = made
    other = Step("score", "evaluate", ("plain", "0", own("elsewhere")), "score.json")
    changed = dataclasses.replace(whole, cells=(Cell("plain", 0, (other,)), *whole.cells[1:]))
    assert results.outdated(whole, out) == []
    assert results.outdated(changed, out) == ["plain/0"]
    assert sorted(results.read(changed, out)["plain"]) == [1, 2]


def test_a_result_tells_commands_without_the_machine_and_keeps_the_export(made):
    whole, root, out = made
    told = json.loads((out / "other" / "1.json").read_text())
    assert told["steps"][0]["command"] == (
        f"python -m launch.evaluate other 1 STUDY/{cell('other', 1).steps[0].folder}/out"
    )
    assert told["seconds"] == 60.0 and str(root) not in json.dumps(told)
    assert {"device", "cpu", "versions", "date"} <= told.keys()


def test_a_kept_model_names_no_folder_of_the_machine_and_has_the_same_arrays(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    step = Step("model", "export", (own("model.npz"),), "model.npz")
    each = Cell("plain", 0, (step,))
    whole = Study("s", "f", "Is it?", (each,), {}, "plain", exports={"model": "model.npz"})
    text = json.dumps({"init_from": f"{root}/vae-1/run", "note": "root/x"})
    arrays.write(root / step.folder / "model.npz", {"a": np.arange(3, dtype=np.float16)}, text)
    done = {"about": {}, "seconds": 1.0, "cores": 1, "date": "2026"}
    (root / step.folder / running.DONE).write_text(json.dumps(done))
    made = results.write(whole, each, root, out).with_suffix(".npz")
    told = json.loads(arrays.read_text(made))
    assert told == {"init_from": "STUDY/vae-1/run", "note": "root/x"}
    (array,) = arrays.read(made).values()
    assert array.dtype == np.float16 and array.tolist() == [0, 1, 2]


def test_a_figure_that_is_not_there_is_a_sentence(made):
    whole, root, out = made
    path = root / whole.cells[0].steps[0].folder / "score.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="does not hold figures/fvd for plain/0"):
        results.collect(whole, whole.cells[0], root)


def test_results_of_another_study_are_refused(made):
    whole, _, out = made
    path = out / "plain" / "0.json"
    path.write_text(path.read_text().replace('"family": "f"', '"family": "g"'))
    with pytest.raises(ValueError, match="is of g, variant plain, not of f"):
        results.read(whole, out)


def test_a_study_is_drawn_with_its_rows_and_measures_as_text(made):
    pytest.importorskip("matplotlib")
    whole, _, out = made
    found = results.read(whole, out)
    assert drawing.draw(whole, found, out) == ["s.svg", "s.png"]
    svg = (out / "s.svg").read_bytes()
    assert (out / "s.png").stat().st_size > 1000 and b"<svg" in svg
    drawing.draw(whole, found, out)
    assert (out / "s.svg").read_bytes() == svg


def test_curves_go_through_means_over_the_seeds_that_all_their_rows_have(made):
    pytest.importorskip("matplotlib")
    whole, _, out = made
    points = [(3, "plain", "fvd"), (6, "other", "fvd"), (12, "missing", "fvd")]
    panels = {"FVD ↓": {"one": points}, "none": {"one": points[2:]}}
    drawn = dataclasses.replace(whole, curves=Curves("updates", panels))
    figure = drawing._curves(drawn, results.read(whole, out))
    (axis,) = figure.axes
    *dots, line = axis.lines
    assert (axis.get_title(), axis.get_xlabel()) == ("FVD ↓", "updates")
    assert [list(each.get_ydata()) for each in dots] == [[20.0, 30.0], [21.0, 33.0]]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([3, 6], [25.0, 27.0])
    assert drawing.draw(drawn, results.read(whole, out), out) == ["s.svg", "s.png"]


def test_a_contrast_is_a_sum_over_the_seeds_that_its_rows_share(made):
    whole, _, out = made
    contrasts = {"other less plain": {"other": 1, "plain": -1}, "both": {"other": 2, "plain": 1}}
    study = dataclasses.replace(whole, contrasts=contrasts)
    found = results.read(study, out)
    both = table.contrast(found, contrasts["both"], "fvd")
    assert both.seeds == (1, 2) and both.mean == pytest.approx(79.0)  # 2 (27) + 25
    told = table.text(study, found).split("Difference from row to row")[1]
    assert "|  | other less plain | both |\n| --- | --- | --- |\n| seeds | 2 | 2 |" in told
    assert "| *FVD ↓* | +2.0 [-10.7, +14.7] | +79.0 [" in told
    known = table.numbers(study, found)
    assert known["contrasts"]["both"]["fvd"]["mean"] == pytest.approx(79.0)
    assert known["other"]["differences"]["fvd"]["mean"] == pytest.approx(2.0)
    assert not study.chosen(["other"]).contrasts  # without one of their rows
    with pytest.raises(ValueError, match="contrasts of study s: third is no variant"):
        dataclasses.replace(whole, contrasts={"x": {"third": 1}})
