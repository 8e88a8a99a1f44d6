import re

import pytest

from launch.bench import sources


def test_a_line_for_each_form_and_what_hosts_need(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    tiny = (
        "--frames 5 --size 16 --source 48 64 --side 32 --films 2 --length 12 --clips 2 --rounds 1"
    )
    assert sources.main(tiny.split()) == 0
    said = capsys.readouterr().out
    speeds = dict(re.findall(r"^([a-z, 0-9]+?) +([0-9.]+) clips/s/core", said, re.M))
    assert set(speeds) == {"video files", "records, h264", "records, jpeg", "stills", "rendered"}
    assert all(float(speed) > 0 for speed in speeds.values())
    shares = [float(share) for share in re.findall(r"reached +([0-9.]+)", said)]
    assert len(shares) == 4 and all(share > 0 for share in shares)
    assert re.search(r"v5e host \(8 chips\) +12.3 clips/s", said)
    assert re.search(r"H100 host \(8 GPUs\) +61.8 clips/s", said)


def test_a_host_needs_its_flops_over_those_of_a_clip():
    """8 chips of 197 TFLOP/s at 40% are 630.4 TFLOP/s: 12.31 clips of 51.2 TFLOP."""
    assert sources.needed(8, 197.0) == pytest.approx(12.3125, abs=1e-3)
