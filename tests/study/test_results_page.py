"""docs/results/README.md shows what the results beside it say, of the configs that there are.

<!-- configs/study_table_4.py:small,smooth -->      what launch.study --table writes follows
"""

import pathlib
import re

import pytest

from launch import study as door
from pv_vae_jax.study import results, table

FOLDER = pathlib.Path(__file__).parent.parent.parent / "docs" / "results"
PAGE = (FOLDER / "README.md").read_text()
SHOWN = re.findall(r"<!-- (configs/study_\S+) -->", PAGE)


@pytest.mark.parametrize("named", SHOWN)
def test_the_page_shows_the_tables_of_its_results(named):
    study = door.read(named)
    out = FOLDER / study.family
    assert results.outdated(study, out) == []
    told = table.text(study, results.read(study, out))
    assert f"<!-- {named} -->\n\n{told}\n" in PAGE
    assert (out / f"{study.name}.md").read_text() == told + "\n"


def test_every_result_is_in_a_table_of_the_page():
    studies = [door.read(named) for named in SHOWN]
    shown = {results.place(c, FOLDER / study.family) for study in studies for c in study.cells}
    assert set(FOLDER.glob("*/*/*.json")) <= shown
