"""Table 6, row "Gaussian": withheld latents are standard normal noise, not a learnable token.

    python -m launch.train --config=configs/tables/table_6_gaussian.py:SIZE --workdir=DIR
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

The paper: generation FVD 150.68.  The row "learnable" is table_4_decoder.py.
"""

from configs.recipe import recipe


def get_config(size: str = "661m"):
    """``661m``, ``small`` or ``tiny``."""
    config = recipe(size)
    config.model.fields.padding = "gaussian"
    return config
