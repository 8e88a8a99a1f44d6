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
    config.data.rendered_weight = 15  # real clips are decoded, which costs more than rendering
    clips = {"frames": 9, "buckets": ((32, 32, 8, 1),), "strides": (1,)}
    # A small model with few steps: a learning rate above the paper's, and a weaker KL than the
    # base's, with which the first thousand steps would be spent on the noise of the posterior.
    config.stages.predictive = stage(
        steps=2400,
        data=clips,
        withholding={"way": "mask"},
        weights={"kl": 1e-5},
        optimizer={"learning_rate": 5e-4, "warmup": 50, "ema": 0.995},
    )
    config.stages.decoder = decoder_stage(
        steps=800,
        data=clips,
        optimizer={"learning_rate": 3e-4, "warmup": 20, "ema": 0.995},
    )
    config.runtime.update(
        observe=5, evaluate_every=800, checkpoint_every=400, evaluate_clips=16, final_clips=64
    )
    return config
