import dataclasses

from pv_vae_jax.analysis import tables
from pv_vae_jax.analysis.finding import Figure, Finding

PROTOCOL = {
    "name": "p", "videos": 4, "frames": 5, "height": 16, "width": 16, "datasets": ["rendered"],
}  # fmt: skip


def found(label, error, gain, name="ltd", **fields):
    figures = {
        "error": Figure("error", error, error - 0.1, error + 0.1, "less", 2),
        "gain": Figure("gain", gain, better="more", digits=1),
        "rule": Figure("rule", 1.0, digits=0),
    }
    model = {"label": label, "spec": "t1s1c3", "trained": label != "c"}
    return Finding(name, model, PROTOCOL, {}, figures, **fields)


def test_the_best_is_bold_and_the_second_underlined_each_in_its_own_direction():
    text = tables.compared([found("a", 3, 1), found("b", 2, 2), found("c", 1, 3)])
    lines = text.splitlines()
    assert lines[0] == "**ltd**, p: 4 clips of 5 x 16 x 16 from rendered"
    assert lines[2] == "| model | latent | error | gain | rule |"
    assert lines[4] == "| a | t1s1c3 | 3.00 [2.90, 3.10] | 1.0 | 1 |"
    assert lines[5] == "| b | t1s1c3 | <u>2.00</u> [1.90, 2.10] | <u>2.0</u> | 1 |"
    assert lines[6] == "| c (untrained) | t1s1c3 | **1.00** [0.90, 1.10] | **3.0** | 1 |"
    assert lines[8] == "Brackets: 95% intervals, over source videos if not said otherwise."


def test_a_model_alone_is_not_the_best():
    assert "**3.00**" not in tables.compared([found("a", 3, 1)])


def test_other_protocols_and_settings_have_tables_of_their_own():
    other = dataclasses.replace(found("b", 2, 2), protocol=PROTOCOL | {"frames": 9})
    third = dataclasses.replace(found("c", 2, 2), settings={"flow": "exact"})
    text = tables.compared([found("a", 3, 1), other, third, found("d", 4, 1)])
    assert text.count("| model |") == 3 and text.count("**3.00**") == 1
    assert "Not to be compared with the first table of ltd: frames: 5, 9." in text
    assert "first table of ltd: flow: None, exact." in text


def test_what_was_refused_is_told_and_what_has_no_figures_has_no_table():
    films = dataclasses.replace(found("a", 3, 1), name="videos", figures={})
    refused = {f"v{n}": "no video stream" for n in range(5)}
    text = tables.compared([found("a", 3, 1, refused=refused, notes=["a note."]), films])
    assert "a: 5 videos could not be used: v0, v1, v2 and 2 more." in text
    assert "a: a note." in text and "videos**" not in text
    assert tables.compared([films]) == ""


def test_a_figure_that_a_model_has_not_is_a_dash():
    other = found("b", 2, 2)
    other = dataclasses.replace(other, figures={"error": other.figures["error"]})
    assert "| b | t1s1c3 | **2.00** [1.90, 2.10] | - | - |" in tables.compared(
        [found("a", 3, 1), other]
    )
