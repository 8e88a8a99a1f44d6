"""Table 6: what stands in the place of withheld latents, and the padding that the paper names only.

    python -m launch.study --study configs/study_table_6.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

The learnable token is table 4's last row.
"""

from configs.studies import grids

QUESTION = (
    "Is a learnable token a better padding than Gaussian noise, or than the observed latents?"
)
TITLES = {"decoder": "learnable token"}
ROWS = (("decoder", 2), ("gaussian", 2), ("condition_aware", 2))


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.study("table_6", QUESTION, ROWS, argument, control="decoder", titles=TITLES)
