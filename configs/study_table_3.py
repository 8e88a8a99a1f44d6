"""Table 3: probes of the generators' features, on plain and on predictive latents.

    python -m launch.study --study configs/study_table_3.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

Cells of table 4, whose analyses hold the probes: with its ROOT nothing is run again.
"""

import dataclasses

from configs.studies import cells

QUESTION = "Do the features of a generator on predictive latents tell more of motion?"
ROWS = (("baseline", 5), ("decoder", 5))
PAPER = {
    "baseline": "EPE 5.92 (Sintel); MSE 0.0314 (Kinetics-400); AUC 70.95 (TAP-Vid-DAVIS)",
    "decoder": "EPE 5.18; MSE 0.0289; AUC 76.99",
}


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    names = [name for name in cells.MEASURES if name.startswith("features_")]
    made = cells.study("table_3", QUESTION, ROWS, argument, measures=names)
    return dataclasses.replace(made, published=PAPER)
