"""Figure 1: FVD and KVD against the training of the generator, on plain and predictive latents.

    python -m launch.study --study configs/study_figure_1.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

The VAEs are those of table 4; the generators measure 256 samples at each quarter of their updates.
"""

from configs.studies import grids

QUESTION = "How much less training does a generator need on predictive latents?"
ROWS = (("baseline", 2), ("motion", 2))


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.convergence("figure_1", QUESTION, ROWS, argument)
