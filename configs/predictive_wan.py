"""Predictive fine-tuning of Wan2.1 or Wan2.2 from public weights, then of its decoder.

    python -m launch.train --config=configs/predictive_wan.py:wan2.1 --workdir=runs/wan2.1
        --config.stages.predictive.init_from=Wan2.1_VAE.pth --config.data.videos=/path/to/videos
    python -m launch.train --config=configs/predictive_wan.py:wan2.2 --workdir=runs/wan2.2
        --config.stages.predictive.init_from=Wan2.2_VAE.pth --config.data.videos=/path/to/videos

Stages, data and terms are those of configs/recipe.py; the learned padding token is fresh.  The
published latent statistics stand until the stage's own are measured at its end.
``:wan2.1,tiny`` is a narrow one (fresh weights) that runs on 2 CPU cores.  Other baselines by name:
``withholding.way = "slice"`` is right for all, ``"mask"`` for those with a causal encoder.
Traced and counted here, not trained at full width.
"""

from ml_collections import ConfigDict

from configs.recipe import recipe
from pv_vae_jax.zoo import registry

NARROW = {"encoder_widths": (8, 16, 32, 32), "decoder_widths": (8, 16, 32, 32)}


def get_config(argument: str = "wan2.1") -> ConfigDict:
    """``NAME`` or ``NAME,tiny``."""
    name, _, size = argument.partition(",")
    tiny = size == "tiny"
    config = recipe(size or "661m", "predictive+decoder")
    changes = NARROW if tiny else {"dtype": "bfloat16", "remat": "block"}
    config.model = ConfigDict(
        {"name": name, "fields": registry.fields(name, padding="token", **changes)}
    )
    config.stages.predictive.withholding.way = "slice"
    return config
