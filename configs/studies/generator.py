"""The generator of a small study's cell: a Latte of 3M, patches of 2 x 2, on 3 x 4 x 4 latents.

    python -m launch.train --config=configs/studies/generator.py:TOKENIZER --workdir=DIR
        --config.data.latents=LATENTS

``:TOKENIZER`` or ``:TOKENIZER,SIZE``; tiny has few steps, for tests.
"""

from configs.generator_base import base, stage

STEPS = {"small": 4500, "tiny": 4}


def get_config(argument: str = ""):
    """``TOKENIZER`` or ``TOKENIZER,SIZE``."""
    model, _, size = argument.partition(",")
    size = size or "small"
    if size not in STEPS:
        raise ValueError(f"generator.py has the sizes {', '.join(STEPS)}; got {size!r}.")
    config = base("latte_tiny", width=192, patch=2)
    config.tokenizer.model = model
    config.stages.generator = stage(
        steps=STEPS[size],
        data={"frames": 9, "buckets": ((32, 32, 64, 1),)},
        optimizer={"learning_rate": 1e-3, "warmup": 100, "final": 0.1, "ema": 0.998},
    )
    config.sampling.steps = 50
    config.runtime.update(
        evaluate_every=100_000, checkpoint_every=500, samples=16, batch=64, threads=1
    )
    return config
