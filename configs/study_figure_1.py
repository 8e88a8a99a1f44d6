"""Figure 1: FVD and KVD against the training of the generator, on plain and predictive latents.

    python -m launch.study --study configs/study_figure_1.py:small,rendered --jobs 2
        --root studies/rendered --out docs/results/small_rendered

The VAEs are those of table 4; the generators measure 256 samples at each quarter of their updates.
"""

from configs.studies import cells

QUESTION = "How much less training does a generator need on predictive latents?"
ROWS = (("baseline", 2), ("motion", 2))


def get_study(argument: str = "small,rendered"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return cells.convergence("figure_1", QUESTION, ROWS, argument)
