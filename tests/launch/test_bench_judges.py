"""The benchmark of judges tells what it measured."""

import pytest

from launch.bench import judges


def test_shares_and_ratio_follow_from_the_medians(capsys):
    judges._tell(
        {
            "judge": "i3d",
            "clips": 2,
            "shape": [2, 17, 224, 224, 3],
            "gflop": 56.0,
            "matmul_gflop": 16.0,
            "seconds": {"ours": 0.5, "matmul": 0.05, "torch": 2.0},
            "difference": 2e-6,
        }
    )
    said = capsys.readouterr().out
    assert "56.0 GFLOP a clip" in said and "320.0 GFLOP/s" in said  # of the matmul
    assert "224.0 GFLOP/s, 0.70 of it    0.250 s a clip" in said
    assert "ours over torch 0.25; logits differ by 2.0e-06" in said


def test_a_judge_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="--judges are of i3d, c3d; got i3d,resnet"):
        judges.main(["--judges", "i3d,resnet"])
