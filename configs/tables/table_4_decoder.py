"""Table 4, last row, "+ decoder fine-tuning": the whole method, all three stages.

    python -m launch.train --config=configs/tables/table_4_decoder.py:SIZE --workdir=DIR
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

The paper: generation FVD 146.37; rFVD 3.45, PSNR 32.26, LPIPS 0.020.  Also table 5's row "100%" and
table 6's row "learnable".
"""

from configs.recipe import recipe


def get_config(size: str = "661m"):
    """``661m``, ``small`` or ``tiny``."""
    return recipe(size)
