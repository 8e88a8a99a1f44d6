"""Table 4, row "+ motion term": frames are withheld, differences count; no decoder fine-tuning.

    python -m launch.train --config=configs/tables/table_4_motion.py:SIZE --workdir=DIR
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

The paper: generation FVD 150.10; rFVD 5.79, PSNR 31.38, LPIPS 0.026.
"""

from configs.recipe import recipe


def get_config(size: str = "661m"):
    """``661m``, ``small`` or ``tiny``."""
    return recipe(size, "image+predictive")
