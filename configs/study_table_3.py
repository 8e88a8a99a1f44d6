"""Table 3: probes of the generators' features, on plain and on predictive latents.

    python -m launch.study --study configs/study_table_3.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

Cells of table 4, whose analyses hold the probes: with its ROOT nothing is run again.
"""

import dataclasses

from configs.studies import grids
from configs.studies.measures import MEASURES
from pv_vae_jax.analysis.probe_tasks import TASKS

QUESTION = "Do the features of a generator on predictive latents tell more of motion?"
ROWS = (("baseline", 5), ("decoder", 5))
ROWS_OF_PAPER = {"baseline": "baseline", "decoder": "PV-VAE"}


def paper(row: str) -> str:
    """What the paper has for a row, as its probes know it."""
    return "; ".join(
        f"{task.figures[name][0]} {figure[row]} ({figure['on']})"
        for task in TASKS.values()
        for name, figure in task.paper.items()
    )


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    names = [name for name in MEASURES if name.startswith("features_")]
    made = grids.study("table_3", QUESTION, ROWS, argument, measures=names)
    return dataclasses.replace(made, published={v: paper(row) for v, row in ROWS_OF_PAPER.items()})
