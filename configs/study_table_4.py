"""Table 4: what predictive reconstruction, the motion term and decoder fine-tuning each add.

    python -m launch.study --study configs/study_table_4.py:small,smooth --jobs 2
        --root studies/smooth --out docs/results/small_smooth

Controls that the paper does not have: the baseline with the same fine-tuning of its decoder, the
baseline with the motion term, and the whole method with its encoder not frozen in fine-tuning.
``:SIZE,WORLD`` or ``:full,DIR`` (configs/studies/scales.py).
"""

from configs.studies import grids

QUESTION = "Does a generator do better on the latents of a VAE that was trained to predict?"
ROWS = (
    ("baseline", 5),
    ("predictive", 5),
    ("motion", 5),
    ("decoder", 5),
    ("baseline_decoder", 5),
    ("baseline_motion", 3),
    ("unfrozen", 3),
)


def get_study(argument: str = "small,smooth"):
    """``SIZE,WORLD`` or ``full,DIR``."""
    return grids.study("table_4", QUESTION, ROWS, argument)
