"""The smallest generator of the test suite: rendered clips, encoded in every step.

``TOKENIZER`` or ``TOKENIZER,STEPS``.
"""

from configs.generator_base import base, stage


def get_config(argument: str):
    model, _, steps = argument.partition(",")
    steps = int(steps or 20)
    config = base("latte_tiny", width=16, depth=2, heads=2)
    config.tokenizer.model = model
    config.data.rendered_weight = 1
    config.stages.generator = stage(
        steps=steps,
        data={"frames": 5, "buckets": ((16, 16, 4, 1),)},
        optimizer={"learning_rate": 2e-3, "warmup": 2, "ema": 0.9},
    )
    config.sampling.steps = 3
    config.runtime.update(log_every=5, evaluate_every=steps, checkpoint_every=3, samples=4, batch=4)
    return config
