"""The paper's model, the CNN of 660M parameters: predictive training, decoder fine-tuning.

    python -m launch.train --config=configs/pv_vae_661m.py --workdir=runs/661m
        --config.data.videos=/path/to/videos

17 frames at 256 square, 50K steps a stage, learning rate 5e-5 (arXiv 2605.02134, section 4).  The
paper's LPIPS and GAN terms and its image pretraining are not in this version.  Written for a pod or
several GPU hosts; it has been traced and counted here, not trained.
``:small`` is the same recipe for the small model at 128 square.
"""

from configs.base import base, decoder_stage, stage


def get_config(size: str = "661m"):
    """``661m`` or ``small``."""
    if size not in ("661m", "small"):
        raise ValueError(f"pv_vae_661m.py takes :661m or :small, got :{size}.")
    config = base(f"pv_vae_{size}")
    data = {"buckets": ((256, 256, 32, 1),) if size == "661m" else ((128, 128, 16, 1),)}
    config.model.fields.dtype = "bfloat16"
    config.stages.predictive = stage(data=data)
    config.stages.decoder = decoder_stage(data=data)
    config.runtime.workers = 8
    return config
