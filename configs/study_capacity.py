"""Generation against the capacity of the VAE, plain and predictive; the paper has one size.

    python -m launch.study --study configs/study_capacity.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

A CNN that is half and 1.25 times as wide (0.27 and 1.5 times the parameters), trained as table 4's:
does prediction cost a wider VAE less?
"""

from configs.studies import grids

QUESTION = "Does prediction cost a wider VAE less?"
ROWS = (
    ("baseline_narrow", 2),
    ("baseline", 2),
    ("baseline_wide", 2),
    ("motion_narrow", 2),
    ("motion", 2),
    ("motion_wide", 2),
)
LINES = {
    "baseline": ("baseline_narrow", "baseline", "baseline_wide"),
    "predictive + motion": ("motion_narrow", "motion", "motion_wide"),
}


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.study("capacity", QUESTION, ROWS, argument, lines=LINES, across="width of the VAE")
