"""Quickstart: predictive training and decoder fine-tuning, small enough for a laptop.

    python -m launch.train --config=configs/quickstart.py --workdir=runs/quickstart

Hardware: 2 CPU cores.  9 frames at 32 x 32, ``mask``, one bucket: one program a stage.
``--config=configs/quickstart.py:rendered`` does without the video files.
"""

from configs.base import base, decoder_stage, stage

CLIPS = "data_cache/clips"  # where launch/quickstart.sh puts the three real clips


def get_config(data: str = "mixed"):
    """``mixed``: real clips and rendered ones; ``rendered``: rendered ones alone."""
    if data not in ("mixed", "rendered"):
        raise ValueError(f"quickstart.py takes :mixed or :rendered, got :{data}.")
    config = base("pv_vae_tiny")
    config.data.videos = CLIPS if data == "mixed" else ""
    config.data.rendered_weight = 3
    clips = {"frames": 9, "buckets": ((32, 32, 8, 1),), "strides": (1,)}
    config.stages.predictive = stage(
        steps=1500,
        data=clips,
        withholding={"way": "mask"},
        optimizer={"learning_rate": 2e-3, "warmup": 50, "ema": 0.99},
    )
    config.stages.decoder = decoder_stage(
        steps=300,
        data=clips,
        optimizer={"learning_rate": 1e-3, "warmup": 20, "ema": 0.99},
    )
    config.runtime.observe = 5
    config.runtime.evaluate_every = 500
    return config
