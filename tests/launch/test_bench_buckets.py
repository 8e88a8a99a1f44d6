import re

import pytest

from launch.bench import buckets
from launch.compile import settings
from tests import tiny

CONFIG = "tests/configs/smallest.py:6,2"


def test_each_bucket_of_a_stage_is_measured_against_their_mean(monkeypatch, capsys):
    def measure(config, name, rounds):
        shapes = [bucket[:3] for bucket in config["stages"][name]["data"]["buckets"]]
        return dict(zip(shapes, ([0.2, 0.1, 0.3], [0.5, 0.4, 0.7]), strict=True))

    monkeypatch.setattr(buckets, "measure", measure)
    buckets.main(["--config", CONFIG, "--stage", "predictive", "--divide", "2"])
    said = capsys.readouterr().out
    rows = re.findall(r"(\d+) x (\d+) +x (\d+) +([\d.]+) ms .* ([\d.]+) of .* batch ([\d.]+)", said)
    assert rows == [
        ("16", "16", "4", "200.0", "0.57", "7.0"),
        ("16", "32", "4", "500.0", "1.43", "2.8"),
    ]
    assert "predictive of tests/configs/smallest.py:6,2, pv_vae_tiny" in said
    assert "slowest / fastest 2.50" in said


@pytest.mark.slow
def test_the_steps_measured_are_those_of_the_stage():
    config = settings.read("tests/configs/smallest.py:4,2")
    assert config["stages"]["predictive"]["steps"] == 4
    config["model"]["fields"] |= tiny.SHALLOW
    seconds = buckets.measure(config, "decoder", rounds=2)
    assert set(seconds) == {(16, 16, 8), (16, 32, 8)}
    assert all(len(times) == 2 and min(times) > 0 for times in seconds.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.py"], "nowhere.py: there is no such file"),
        (["--config", CONFIG, "--stage", "gan"], "--stage gan: the stages are"),
        (["--config", CONFIG, "--divide", "3"], "the batch 8 at 16x16 is no multiple"),
    ],
)
def test_what_cannot_be_measured_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        buckets.main(arguments)
