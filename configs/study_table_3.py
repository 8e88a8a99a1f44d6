"""Table 3: probes of the generators' features, on plain and on predictive latents.

    python -m launch.study --study configs/study_table_3.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

Cells of table 4, whose analyses hold the probes: with its ROOT nothing is run again.
"""

from configs.studies import cells

QUESTION = "Do the features of a generator on predictive latents tell more of motion?"
ROWS = (("baseline", 5), ("decoder", 5))


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    names = [name for name in cells.MEASURES if name.startswith("features_")]
    return cells.study("table_3", QUESTION, ROWS, argument, measures=names)
