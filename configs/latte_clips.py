"""A small generator on the three shipped clips, where class = film: minutes on 2 CPU cores.

    python -m launch.prepare_data latents --model exports/clips_vae.npz --from data_cache/clips
        --labels file --frames 9 --height 64 --width 64 --draws 8 --held_out 0 --out latents/clips
    python -m launch.train --config=configs/latte_clips.py:exports/clips_vae.npz
        --workdir=runs/latte --config.data.latents=latents/clips

The tokenizer is that of configs/clips_vae.py (t4s8: patches of 2 x 2); another one with other
latents: ``--config.generator.fields.patch=1``.  ``:TOKENIZER`` or ``:TOKENIZER,SIZE``: ``tiny``
(default) or ``small`` (latte_s, for one GPU).
"""

from configs.generator_base import base, stage

CLASSES = 3
SIZES = {
    "tiny": ("latte_tiny", {"width": 256, "depth": 6}),
    "small": ("latte_s", {}),
}


def get_config(argument: str = ""):
    """``TOKENIZER`` or ``TOKENIZER,SIZE``."""
    model, _, size = argument.partition(",")
    size = size or "tiny"
    if size not in SIZES:
        raise ValueError(f"latte_clips.py has the sizes {', '.join(SIZES)}; got {size!r}.")
    name, fields = SIZES[size]
    config = base(name, classes=CLASSES, patch=2, **fields)
    config.tokenizer.model = model
    config.stages.generator = stage(
        steps=5000,
        data={"frames": 9, "buckets": ((64, 64, 16, 1),)},
        optimizer={"learning_rate": 1e-3, "warmup": 100, "final": 0.1, "ema": 0.998},
    )
    config.data.labels = "file"
    config.sampling.steps = 50
    config.runtime.update(
        evaluate_every=1000, checkpoint_every=500, samples=9, batch=24, protocol="small-gen"
    )
    return config
