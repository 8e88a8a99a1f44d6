"""Table 4, row "+ predictive reconstruction": frames are withheld; no motion term, no fine-tuning.

    python -m launch.train --config=configs/tables/table_4_predictive.py:SIZE --workdir=DIR
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

The paper: generation FVD 156.33; rFVD 5.66, PSNR 31.47, LPIPS 0.026.
"""

from configs.recipe import recipe


def get_config(size: str = "661m"):
    """``661m``, ``small`` or ``tiny``."""
    config = recipe(size, "image+predictive")
    config.stages.predictive.weights.difference = 0.0
    return config
