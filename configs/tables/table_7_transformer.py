"""Table 7, row "Transformer": the whole method with the Transformer in the CNN's place.

    python -m launch.train --config=configs/tables/table_7_transformer.py:SIZE --workdir=DIR
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

The paper: generation FVD 178.86; rFVD 4.03, PSNR 33.02, LPIPS 0.022; 1.29 clips a second against
0.69.  The row "CNN" is table_4_decoder.py.
"""

from configs.recipe import recipe

SIZES = {"1b": "661m", "small": "small", "tiny": "tiny"}  # the recipe that a size is trained by


def get_config(size: str = "1b"):
    """``1b``, ``small`` or ``tiny``; ``SIZE,STAGE[+STAGE...]`` for some of the stages."""
    size, _, run = size.partition(",")
    if size not in SIZES:
        raise ValueError(f"the Transformer has the sizes {', '.join(SIZES)}; got {size!r}.")
    return recipe(SIZES[size], run, model=f"pv_vae_transformer_{size}")
