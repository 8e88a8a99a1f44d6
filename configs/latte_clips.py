"""A small generator on the three shipped clips, where class = film: minutes on 2 CPU cores.

    python -m launch.prepare_data latents --model exports/clips_vae.npz --from data_cache/clips
        --labels file --frames 9 --height 32 --width 32 --held_out 0 --out latents/clips
    python -m launch.train --config=configs/latte_clips.py:exports/clips_vae.npz
        --workdir=runs/latte --config.data.latents=latents/clips

The tokenizer is that of configs/clips_vae.py.  ``:TOKENIZER`` or ``:TOKENIZER,SIZE``: ``tiny``
(default) or ``small`` (latte_s, for one GPU).  A token has 64 numbers, of noise at first, so the
network has to be wider than that to pass them on.
"""

from configs.generator_base import base, stage

CLASSES = 3
SIZES = {
    "tiny": ("latte_tiny", {"width": 192}),
    "small": ("latte_s", {}),
}


def get_config(argument: str = ""):
    """``TOKENIZER`` or ``TOKENIZER,SIZE``."""
    model, _, size = argument.partition(",")
    size = size or "tiny"
    if size not in SIZES:
        raise ValueError(f"latte_clips.py has the sizes {', '.join(SIZES)}; got {size!r}.")
    name, fields = SIZES[size]
    config = base(name, classes=CLASSES, **fields)
    config.tokenizer.model = model
    config.stages.generator = stage(
        steps=3000,
        data={"frames": 9, "buckets": ((32, 32, 16, 1),)},
        optimizer={"learning_rate": 1e-3, "warmup": 100, "final": 0.1, "ema": 0.998},
    )
    config.data.labels = "file"
    config.sampling.steps = 50
    config.runtime.update(
        evaluate_every=1000, checkpoint_every=500, samples=9, batch=24, protocol="small-gen"
    )
    return config
