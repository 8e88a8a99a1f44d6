"""The smallest run that has every part: rendered clips, two stages, one bucket or two."""

from configs.base import base, decoder_stage, stage
from tests import tiny

BUCKETS = ((16, 16, 8, 2), (16, 32, 8, 1))


def get_config(argument: str = "6"):
    """``STEPS[,BUCKETS]``: steps of the predictive stage (the decoder stage has half), buckets."""
    steps, _, buckets = argument.partition(",")
    config = base("pv_vae_tiny")
    config.model.fields.update(tiny.SHALLOW)
    config.data.rendered_weight = 1
    clips = {"frames": 9, "buckets": BUCKETS[: int(buckets or 1)], "strides": (1,)}
    optimizer = {"learning_rate": 1e-3, "warmup": 2, "ema": 0.9, "accumulate": 1}
    mask = {"way": "mask"}
    config.stages.predictive = stage(
        steps=int(steps), data=clips, withholding=mask, optimizer=optimizer
    )
    config.stages.decoder = decoder_stage(steps=int(steps) // 2, data=clips, optimizer=optimizer)
    config.runtime.update(log_every=3, evaluate_every=0, checkpoint_every=3, calibration_batches=2)
    config.runtime.update(observe=5, final_clips=8)
    return config
