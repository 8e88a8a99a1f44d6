"""A small generator on the three shipped clips, where class = film: minutes on 2 CPU cores.

    python -m launch.prepare_data latents --model exports/quickstart.npz --from data_cache/clips
        --labels file --frames 9 --height 64 --width 64 --draws 8 --held_out 0 --out latents/clips
    python -m launch.train --config=configs/latte_clips.py:exports/quickstart.npz
        --workdir=runs/latte --config.data.latents=latents/clips

``:TOKENIZER`` or ``:TOKENIZER,SIZE``: ``tiny`` (default) or ``small`` (latte_s, for one GPU).
"""

from configs.generator_base import base, stage

CLASSES = 3
SIZES = {"tiny": "latte_tiny", "small": "latte_s"}


def get_config(argument: str = ""):
    """``TOKENIZER`` or ``TOKENIZER,SIZE``."""
    model, _, size = argument.partition(",")
    size = size or "tiny"
    if size not in SIZES:
        raise ValueError(f"latte_clips.py has the sizes {', '.join(SIZES)}; got {size!r}.")
    config = base(SIZES[size], classes=CLASSES)
    config.tokenizer.model = model
    config.stages.generator = stage(
        steps=3000,
        data={"frames": 9, "buckets": ((64, 64, 16, 1),)},
        optimizer={"learning_rate": 1e-3, "warmup": 100, "final": 0.1, "ema": 0.995},
    )
    config.data.labels = "file"
    config.sampling.steps = 50
    config.runtime.update(evaluate_every=1000, checkpoint_every=500, samples=9, batch=24, protocol="small-gen")
    return config
