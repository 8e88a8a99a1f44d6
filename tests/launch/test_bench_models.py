"""The benchmark of models measures what its table says."""

import json

import pytest

from launch.bench import models

SMALL = ["--frames", "5", "--size", "16", "--batch", "2", "--warmup", "0", "--repeats", "1"]


@pytest.fixture(scope="module")
def measured():
    args = models.parser().parse_args([*SMALL, "--one", "pv_vae_tiny"])
    return models._measured(args)


def test_a_model_is_measured_in_full(measured):
    assert (measured["name"], measured["spec"]) == ("pv_vae_tiny", "t4s16c64")
    assert measured["frames"] == 10 and measured["paper"] is None
    for way in (measured["encode"], measured["decode"]):
        assert 0 < way["seconds_min"] <= way["seconds"] <= way["seconds_max"]
        assert way["resident_mib"] > 100 and way["xla_mib"] > 10
    # the first convolution of the encoder alone: 48 -> 32 channels, 27 taps, 2 x 5 x 4 x 4 places
    assert measured["encode"]["tflop"] * 1e12 > 2 * 48 * 32 * 9 * 2 * 5 * 16
    json.dumps(measured)


def test_the_table_has_a_line_for_each_model(measured):
    one = measured | {"name": "wan2.2", "paper": (0.58, 9.36)}
    one["encode"] = one["encode"] | {"seconds": 0.5}
    one["decode"] = one["decode"] | {"seconds": 1.5}
    heads, _, line = models.table([one]).splitlines()
    assert heads.count("|") == line.count("|")
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:3] == ["wan2.2", "t4s16c64", "4,665,360"]
    assert cells[3:6] == ["500, 1500", "20.0, 6.7", "0.500"]
    assert cells[-1] == "0.58, 9.36"


def test_a_name_that_does_not_exist_is_refused_before_the_first_run():
    with pytest.raises(ValueError, match="no model is named 'wan9'"):
        models.main(["--models", "pv_vae_tiny,wan9"])
