"""Every way of withholding and every padding, one change each, small enough for two CPU cores.

    python -m launch.train --config=configs/withholding.py:infill --workdir=runs/infill

docs/withholding.md has a picture of each.  Rendered clips of 17 frames at 32 x 32 (4 latent steps
after the first, 2 x 2 cells); no files are read.  ``--config.data.videos=DIR`` adds your own.
"""

from configs.base import base, stage

# name: (what differs in the stage's withholding, what differs in the model)
VARIANTS = {
    "suffix": ({}, {}),
    "suffix_slice": ({"way": "slice"}, {}),
    "fixed": ({"law": "fixed", "ratio": 0.5}, {}),
    "scheduled": ({"ratio_first": 0.25, "ramp": 1000}, {}),
    "groups": ({"group": 2}, {}),
    "prediction": ({"loss": "withheld"}, {}),
    "infill": ({"kind": "infill"}, {"decoder_causal": False}),
    "infill_causal": ({"kind": "infill"}, {}),
    "tube": ({"kind": "tube", "ratio": 0.75}, {}),
    "block": ({"kind": "block", "ratio": 0.75}, {}),
    "cells": ({"kind": "cells", "ratio": 0.75}, {"pixel_padding": "token"}),
    "cells_not_causal": ({"kind": "cells", "ratio": 0.75}, {"decoder_causal": False}),
    "padding_token_per_offset": ({}, {"padding": "token_per_offset"}),
    "padding_token_per_position": ({}, {"padding": "token_per_position"}),
    "padding_gaussian": ({}, {"padding": "gaussian"}),
    "padding_zeros": ({}, {"padding": "zeros"}),
    "padding_copy": ({}, {"padding": "copy"}),
    "padding_causal": ({}, {"padding": "causal"}),
}


def get_config(variant: str = "suffix"):
    """``VARIANT``: a name of ``VARIANTS``."""
    if variant not in VARIANTS:
        raise ValueError(f"withholding.py takes :{', :'.join(VARIANTS)}; got :{variant}.")
    withholding, fields = VARIANTS[variant]
    config = base("pv_vae_tiny")
    config.model.fields.update(fields)
    config.data.rendered_weight = 1
    config.run = ("predictive",)
    config.stages.predictive = stage(
        steps=2000,
        data={"frames": 17, "buckets": ((32, 32, 4, 1),), "strides": (1,)},
        withholding={"way": "mask"} | withholding,
        weights={"kl": 1e-5},
        optimizer={"learning_rate": 5e-4, "warmup": 50, "ema": 0.995},
    )
    config.runtime.update(evaluate_every=500, checkpoint_every=500)
    return config
