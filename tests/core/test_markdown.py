from pv_vae_jax.core import markdown


def test_a_table_is_heads_a_rule_and_a_line_for_each_row():
    rows = (row for row in [("a", "1"), ["b", ""]])
    told = "| model | x |\n| --- | --- |\n| a | 1 |\n| b |  |"
    assert markdown.table(["model", "x"], rows) == told
    assert markdown.table(("x",)) == "| x |\n| --- |"
