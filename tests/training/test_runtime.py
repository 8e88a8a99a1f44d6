"""Values of a config that cannot be: a sentence with the key, before anything begins."""

import pytest

from pv_vae_jax.evaluation import during_training
from pv_vae_jax.training import runs
from tests.configs import smallest

NAN = float("nan")


def config_of(changes):
    config = smallest.get_config("6,2").to_dict()
    for key, value in changes.items():
        *parts, last = key.split(".")
        at = config
        for part in parts:
            at = at[part]
        assert last in at, key
        at[last] = value
    return config


OPTIMIZER = "stages.predictive.optimizer"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("seed", -1, "config.seed is from 0 to 4294967295; got -1"),
        ("seed", 2**32, "config.seed is from 0 to 4294967295; got 4294967296"),
        ("runtime.keep", 0, "config.runtime.keep is at least 1; got 0"),
        ("runtime.log_every", 0, "config.runtime.log_every is at least 1; got 0"),
        ("runtime.workers", -1, "config.runtime.workers is at least 0; got -1"),
        ("runtime.skip_limit", 0, "config.runtime.skip_limit is at least 1"),
        ("runtime.final_clips", 0, "config.runtime.final_clips is at least 1"),
        ("runtime.evaluate_clips", 0, "config.runtime.evaluate_clips is at least 1"),
        ("runtime.calibration_batches", 0, "config.runtime.calibration_batches is at least 1"),
        (f"{OPTIMIZER}.accumulate", 0, "predictive: optimizer.accumulate is at least 1; got 0"),
        (f"{OPTIMIZER}.learning_rate", NAN, "optimizer.learning_rate is at least 0; got nan"),
        (f"{OPTIMIZER}.ema", 1.0, r"predictive: optimizer.ema is in \[0, 1\); got 1.0"),
        (f"{OPTIMIZER}.b1", -0.1, r"optimizer.b1 is in \[0, 1\); got -0.1"),
        (f"{OPTIMIZER}.warmup", -1, "optimizer.warmup is at least 0"),
        (f"{OPTIMIZER}.clip", -1.0, "optimizer.clip is at least 0"),
        ("stages.predictive.perceptual.frames", -1, "perceptual.frames is at least 0"),
        ("stages.predictive.perceptual.backbone", "vgg", "perceptual.backbone is one of vgg16, a"),
        ("stages.predictive.adversarial.r1", -1.0, "adversarial.r1 is at least 0"),
        ("stages.predictive.trainable", "(", "predictive.trainable is a regular expression"),
        ("stages.predictive.data.flip", 2.0, r"data.flip is in \[0, 1\]; got 2.0"),
        ("stages.predictive.data.strides", (), "data.strides and data.buckets name at least one"),
        ("stages.predictive.data.strides", (1, 0), r"data.strides is at least 1; got \(1, 0\)"),
        ("stages.predictive.data.buckets", ((32, 32, 2),), "height, width, global batch, weight"),
        ("stages.predictive.data.buckets", ((32, 32, 0, 1),), "the batch of a bucket is a whole"),
        ("model.fields.channels", 0, "channels is at least 1; got 0"),
        ("model.fields.patch", 0, "patch is at least 1; got 0"),
        ("model.fields.strides", ((2, 0), (2, 2)), "strides are pairs"),
        ("model.fields.widths", (8, 0, 8), "widths is at least 1"),
    ],
)
def test_a_value_that_cannot_be_is_named(key, value, told):
    with pytest.raises(ValueError, match=told):
        runs.of(config_of({key: value}))


def test_what_the_prediction_sees_is_whole_groups_of_frames():
    run = runs.of(config_of({"runtime.observe": 4}))
    with pytest.raises(ValueError, match=r"config.runtime.observe: a clip has 1 \+ 4n frames"):
        during_training.Evaluate(run)
