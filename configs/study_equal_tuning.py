"""The main contrast with the same fine-tuning on both sides, which the paper does not have.

    python -m launch.study --study configs/study_equal_tuning.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

The paper's last row has a fine-tuned decoder, its baseline has not.  Cells of table 4.
"""

from configs.studies import grids

QUESTION = "With the decoder fine-tuned in both, are predictive latents the better ones?"
ROWS = (("baseline_decoder", 5), ("decoder", 5), ("unfrozen", 3))


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.study("equal_tuning", QUESTION, ROWS, argument, control="baseline_decoder")
