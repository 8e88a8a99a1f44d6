"""Withholding alone: the motion term on both sides, no fine-tuning, which the paper does not have.

    python -m launch.study --study configs/study_withholding.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

In table 4 the baseline has no motion term, and fine-tuning a decoder brings it in (decoder_stage of
configs/base.py); these two rows differ in the mask and in nothing else.  Cells of table 4.
"""

from configs.studies import grids

QUESTION = "With the motion term in both, is withholding a gain?"
ROWS = (("baseline_motion", 3), ("motion", 3))


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.study("withholding", QUESTION, ROWS, argument, control="baseline_motion")
