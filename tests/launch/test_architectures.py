"""Transformer and hybrid train by config alone: stills, prediction with a GAN, decoder alone."""

import json

import numpy as np
import pytest

from tests.launch import runs

SMALLEST = {
    "config.data.rendered_weight": 1,
    "config.discriminator.widths": "(4,)",
    "config.discriminator.kind": "frame",
    "config.model.fields.width": 16,
    "config.model.fields.heads": 2,
    "config.model.fields.encoder_depth": 1,
    "config.model.fields.decoder_depth": 1,
    "config.runtime.lpips": "",
    "config.runtime.log_every": 1,
    "config.runtime.evaluate_every": 0,
    "config.runtime.final_clips": 4,
    "config.runtime.calibration_batches": 1,
}
STAGES = {"image": 2, "predictive": 3, "decoder": 2}
PER_STAGE = {"weights.lpips": 0.0, "optimizer.warmup": 1, "adversarial.start": 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformer", "hybrid"])
def test_all_stages_train_with_a_gan_and_the_last_leaves_the_encoder_its_bits(tmp_path, name):
    arguments = [f"--{key}={value}" for key, value in SMALLEST.items()]
    for stage, steps in STAGES.items():
        own = PER_STAGE | {"steps": steps, "data.buckets": "((16,16,4,1),)"}
        arguments += [f"--config.stages.{stage}.{key}={value}" for key, value in own.items()]
    done = runs.train(tmp_path, *arguments, config=f"configs/tables/table_7_{name}.py:tiny")
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    updates = [line for line in lines if "total" in line]
    assert [line["stage"] for line in updates] == [s for s, n in STAGES.items() for _ in range(n)]
    for line in updates:
        assert np.isfinite(line["total"]) and line["skipped"] == 0
        assert line["gan/lambda"] > 0 and line["last_layer/gan"] > 0  # on stills too
    before, after = (runs.arrays(tmp_path, stage, STAGES[stage]) for stage in list(STAGES)[1:])
    params = [path for path in after if path.startswith("['params']")]
    start = {path: before[path.replace("params", "ema", 1)] for path in params}
    moved = {path for path in params if not np.array_equal(after[path], start[path])}
    assert moved == {path for path in params if path.startswith("['params']['decoder']")}
