"""Figure 5 and section 6: generation against the training of the VAE, plain and predictive.

    python -m launch.study --study configs/study_figure_5.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

Half and twice the updates, each with a whole cosine of its own, beside table 4's cells.  "The error
of prediction and the quality of generation go together; with plain reconstruction more training
does not help generation."
"""

from configs.studies import grids

QUESTION = "Does generation go on improving with the training of the VAE, if that is predictive?"
ROWS = (
    ("baseline_half", 4),
    ("baseline", 5),
    ("baseline_double", 5),
    ("motion_half", 4),
    ("motion", 5),
    ("motion_double", 5),
)
TWICE = {"baseline_double": 1, "baseline": -1}
PREDICTIVE_TWICE = {"motion_double": 1, "motion": -1}
CONTRASTS = {
    "predictive minus plain, at half of the updates": {"motion_half": 1, "baseline_half": -1},
    "... at all": {"motion": 1, "baseline": -1},
    "... at twice": {"motion_double": 1, "baseline_double": -1},
    "from all to twice, plain": TWICE,
    "..., predictive": PREDICTIVE_TWICE,
    "predictive minus plain, from all to twice": PREDICTIVE_TWICE
    | {row: -weight for row, weight in TWICE.items()},
}
LINES = {
    "baseline": ("baseline_half", "baseline", "baseline_double"),
    "predictive + motion": ("motion_half", "motion", "motion_double"),
}


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.study("figure_5", QUESTION, ROWS, argument, lines=LINES, contrasts=CONTRASTS)
