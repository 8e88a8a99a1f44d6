"""Beside table 7: the whole method with convolutions near the pixels, a Transformer at the latents.

    python -m launch.train --config=configs/tables/table_7_hybrid.py:SIZE --workdir=DIR
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

The paper names hybrids as a direction and has no figures for them.
"""

from configs.recipe import recipe


def get_config(size: str = "661m"):
    """``661m``, ``small`` or ``tiny``; ``SIZE,STAGE[+STAGE...]`` for some of the stages."""
    size, _, run = size.partition(",")
    return recipe(size, run, model=f"pv_vae_hybrid_{size}")
