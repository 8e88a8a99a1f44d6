import re

import pytest

from launch.bench import convolution


def test_the_benchmark_prints_every_form_and_its_ratio_to_conv3d(capsys):
    assert convolution.main(["--shapes", "1,1,2,4,4", "--rounds", "2"]) == 0
    rows = re.findall(r"^1,1,2,4,4 +(\w+) .* ([0-9.]+)$", capsys.readouterr().out, re.M)
    ratios = {name: float(ratio) for name, ratio in rows}
    assert set(ratios) == {"conv3d", "taps", "stack", "spread", "winograd", "chosen"}
    assert ratios["conv3d"] == 1.0 and min(ratios.values()) > 0


def test_a_shape_of_four_numbers_is_refused_with_a_sentence(capsys):
    with pytest.raises(SystemExit):
        convolution.main(["--shapes", "1,2,3,4"])
    assert "five numbers B,T,H,C,O" in capsys.readouterr().err
