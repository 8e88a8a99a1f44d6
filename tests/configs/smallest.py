"""The smallest run that has every part: rendered clips, two buckets, two stages."""

from configs.base import base, decoder_stage, stage
from tests import tiny


def get_config(steps: str = "6"):
    """``steps`` of the predictive stage; the decoder stage has half as many."""
    config = base("pv_vae_tiny")
    config.model.fields.update(tiny.SHALLOW)
    config.data.rendered_weight = 1
    clips = {"frames": 9, "buckets": ((16, 16, 8, 2), (16, 32, 8, 1)), "strides": (1,)}
    optimizer = {"learning_rate": 1e-3, "warmup": 2, "ema": 0.9, "accumulate": 1}
    mask = {"way": "mask"}
    config.stages.predictive = stage(
        steps=int(steps), data=clips, withholding=mask, optimizer=optimizer
    )
    config.stages.decoder = decoder_stage(steps=int(steps) // 2, data=clips, optimizer=optimizer)
    config.runtime.update(
        log_every=3, evaluate_every=0, checkpoint_every=3, calibration_batches=2, observe=5
    )
    return config
