"""Table 5, row "75%": at most 75% of the groups after the first are withheld.

    python -m launch.train --config=configs/tables/table_5_ratio_75.py:SIZE --workdir=DIR
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

The paper: generation FVD 154.06.  The row "100%" is table_4_decoder.py.
"""

from configs.recipe import recipe


def get_config(size: str = "661m"):
    """``661m``, ``small`` or ``tiny``."""
    config = recipe(size)
    config.stages.predictive.withholding.ratio = 0.75
    return config
