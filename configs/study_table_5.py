"""Table 5: at most 50%, 75% or 100% of the later groups dropped.

    python -m launch.study --study configs/study_table_5.py:small,smooth,13 --jobs 2
        --root studies/smooth --out docs/results/small_smooth_13

Clips of 13 frames: of the two latent steps that follow the first in clips of 9, 50% and 75% are one
and the same.  At ``full`` 100% is table 4's last row: with its ROOT nothing of it is trained again.
"""

from configs.studies import grids

QUESTION = "Does it help generation to withhold up to all that follows the first frame?"
TITLES = {"decoder": "up to 100% dropped"}
ROWS = (("decoder", 2), ("ratio_50", 2), ("ratio_75", 2))


def get_study(argument: str = "small,smooth,13"):
    """``SIZE,WORLD,FRAMES`` or ``full,DIR``."""
    return grids.study("table_5", QUESTION, ROWS, argument, control="decoder", titles=TITLES)
