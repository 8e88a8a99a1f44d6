"""Figure 5 and section 6: generation against the training of the VAE, plain and predictive.

    python -m launch.study --study configs/study_figure_5.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

A quarter and half of the updates, each with a whole cosine of its own, beside all of them (cells of
table 4).  "The error of prediction and the quality of generation go together; with plain
reconstruction more training does not help generation."
"""

from configs.studies import cells

QUESTION = "Does generation go on improving with the training of the VAE, if that is predictive?"
ROWS = (
    ("baseline_quarter", 2),
    ("baseline_half", 2),
    ("baseline", 2),
    ("motion_quarter", 2),
    ("motion_half", 2),
    ("motion", 2),
)


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return cells.study("figure_5", QUESTION, ROWS, argument)
