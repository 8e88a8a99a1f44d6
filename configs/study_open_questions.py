"""What the authors left open: other losses, masks, groupings, and time reversal.

    python -m launch.study --study configs/study_open_questions.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

Each row changes one thing of "+ motion term" (table 4).  Infilling wants a decoder that is not
causal, which is a row of its own.
"""

from configs.studies import grids

QUESTION = "Which other ways of withholding make latents better for generation?"
ROWS = (
    ("motion", 2),
    ("suffix_loss", 2),
    ("no_reversal", 2),
    ("group_2", 2),
    ("not_causal", 2),
    ("infill", 2),
    ("tube", 2),
    ("block", 2),
    ("cells", 2),
)


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.study("open_questions", QUESTION, ROWS, argument, control="motion")
