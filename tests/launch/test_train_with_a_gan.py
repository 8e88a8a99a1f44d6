"""A run with a discriminator, as a user starts it: stopped between two updates, it goes on."""

import shutil

import numpy as np
import pytest

from tests.launch import runs

STAGE = "config.stages.predictive"
ARGUMENTS = [
    "--config.run=('predictive',)",
    "--config.discriminator.widths=(4,)",
    "--config.discriminator.kind=frame",
    "--config.runtime.checkpoint_every=2",
    "--config.runtime.log_every=1",
    f"--{STAGE}.optimizer.accumulate=2",
    f"--{STAGE}.weights.gan=0.5",
    f"--{STAGE}.adversarial.lecam=0.1",
    f"--{STAGE}.adversarial.optimizer.warmup=1",
]


@pytest.mark.slow
def test_a_run_with_discriminator_lecam_and_accumulation_resumes_bit_for_bit(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    config = f"{runs.CONFIG}:4"
    done = runs.train(whole, *ARGUMENTS, config=config)
    assert done.returncode == 0, done.stderr
    shutil.copytree(whole, resumed)
    shutil.rmtree(resumed / "checkpoints" / "predictive" / "4")
    done = runs.train(resumed, *ARGUMENTS, config=config)
    assert done.returncode == 0, done.stderr
    ours, theirs = (runs.arrays(path, "predictive", 4) for path in (resumed, whole))
    assert set(ours) == set(theirs)
    assert not [path for path in ours if not np.array_equal(ours[path], theirs[path])]
    before = runs.arrays(whole, "predictive", 2)
    moved = [p for p in ours if "adversary" in p and not np.array_equal(ours[p], before[p])]
    for part in ("params", "stats", "slots", "averages"):
        assert any(f".{part}" in path or f"'{part}'" in path for path in moved), part
    assert (resumed / "metrics.jsonl").read_text().count("discriminator/accuracy") == 4
