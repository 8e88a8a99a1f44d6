"""Table 7: the CNN, a Transformer and a hybrid, each trained by the whole method.

python -m launch.study --study configs/study_table_7.py:small,smooth --jobs 2
    --root studies/smooth --out docs/results/small_smooth
"""

from configs.studies import grids

QUESTION = "Which network makes the better predictive latents?"
TITLES = {"decoder": "CNN"}
ROWS = (("decoder", 2), ("transformer", 2), ("hybrid", 2))


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.study("table_7", QUESTION, ROWS, argument, control="decoder", titles=TITLES)
