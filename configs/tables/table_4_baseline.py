"""Table 4, row "baseline": plain reconstruction, no motion term, no decoder fine-tuning.

    python -m launch.train --config=configs/tables/table_4_baseline.py:SIZE --workdir=DIR
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

The paper: generation FVD 174.81; rFVD 3.03, PSNR 33.44, LPIPS 0.017.
"""

from configs.recipe import recipe


def get_config(size: str = "661m"):
    """``661m``, ``small`` or ``tiny``."""
    config = recipe(size, "image+predictive")
    config.stages.predictive.withholding.kind = "none"
    config.stages.predictive.weights.difference = 0.0
    return config
