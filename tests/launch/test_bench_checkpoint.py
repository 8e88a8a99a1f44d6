import re
import time

import numpy as np
import pytest

from launch.bench import arithmetic, checkpoint, stage_step

CONFIG = "tests/configs/smallest.py:6,2"


class Step:
    """A step of a known time and known FLOPs."""

    flops = 5 * 10**6
    state = {"params": np.ones(2**18, np.float32)}

    def __init__(self, config, stage, bucket):
        assert bucket[:3] == (16, 32, 8)

    def run(self):
        begin = time.perf_counter()
        time.sleep(0.01)
        return time.perf_counter() - begin


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(stage_step, "StageStep", Step)
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")


def test_the_stall_of_a_checkpoint_is_told_as_a_share_of_a_step(capsys):
    checkpoint.main(["--config", CONFIG, "--bucket", "1", "--steps", "3", "--rounds", "2"])
    said = capsys.readouterr().out
    assert "a checkpoint of 1.0 MiB" in said
    step = float(re.search(r"step +([\d.]+) ms", said)[1])
    stall, share = map(float, re.search(r"stall +([\d.]+) ms, ([\d.]+) of a step", said).groups())
    assert 10 <= step < 1000 and share == pytest.approx(stall / step, abs=0.02) and stall > 0


def test_the_share_of_a_matmul_is_that_of_the_rates(capsys):
    arithmetic.main(["--config", CONFIG, "--bucket", "1", "--rounds", "2", "--matmul", "64"])
    said = capsys.readouterr().out
    rates = [float(rate) for rate in re.findall(r"([\d.]+) GFLOP/s", said)]
    assert 0 < rates[0] <= 0.5  # 5 MFLOP in 10 ms
    assert "step over matmul" in said


def test_a_bucket_that_is_not_there_is_told():
    with pytest.raises(ValueError, match="--bucket 2: the stage has 2, from 0"):
        arithmetic.main(["--config", CONFIG, "--bucket", "2"])
