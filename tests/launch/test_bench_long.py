"""Memory against length: the claim, and that the benchmarks measure what their tables say."""

import json
import subprocess
import sys

import pytest

from launch.bench import long, tiling
from pv_vae_jax.zoo import registry
from tests import tiny


def test_a_table_by_hand():
    films = [
        {"frames": 5, "resident": 100.0, "live": 10.0},
        {"frames": 1029, "resident": 101.92, "live": 10.0},
    ]
    one = {"name": "a", "way": "exact", "frame_bytes": 128**2 * 12, "films": films}
    heads, _, line = long.table([one]).splitlines()
    assert heads.count("|") == line.count("|")
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:3] == ["a", "exact", "100.0, 10.0"]  # 1,024 frames of 192 KiB are 192 MiB
    assert cells[-1] == "+1.9 MiB (+1.00%), +0.0 MiB (+0.00%)"


@pytest.mark.slow
def test_every_length_is_measured(monkeypatch):
    small = registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW)
    monkeypatch.setattr(registry, "create", lambda name, seed: small)
    args = long.parser().parse_args(["--size", "16"])
    found = long.measured("pv_vae_tiny", [57, 177], args)
    assert found["way"] == "exact" and [one["frames"] for one in found["films"]] == [57, 177]
    first, last = found["films"]
    assert last["live"] == pytest.approx(first["live"], abs=0.1)
    assert first["live"] > small.parameters * 4 / 2**20
    assert first["resident"] > 50
    json.dumps(found)


@pytest.mark.slow
def test_memory_at_4097_frames_is_that_at_1025(tmp_path):
    """Less than 1% of the added frames, 604 MB in float32: what no holding of frames would pass."""
    command = [sys.executable, "-m", "launch.bench", "long", "--json", str(tmp_path / "a.json")]
    subprocess.run(command, check=True)
    (one,) = json.loads((tmp_path / "a.json").read_text())
    first, last = one["films"]
    assert (first["frames"], last["frames"]) == (1025, 4097)
    added = 3072 * 128 * 128 * 3 * 4 / 2**20
    assert last["live"] == first["live"]
    assert last["resident"] - first["resident"] < 0.01 * added


def test_names_and_forms_that_do_not_fit_are_refused_before_anything_runs():
    with pytest.raises(ValueError, match="no model is named 'wan9'"):
        long.main(["--models", "pv_vae_tiny,wan9"])
    with pytest.raises(ValueError, match="leave --blend out"):
        tiling.main(["--model", "pv_vae_tiny", "--blend", "--tile", "128x128"])


def test_tiles_need_less_memory_and_more_work():
    module = tiny.module(**tiny.SHALLOW)
    lines = tiling.lines(module, 5, 128, (64, 64), 9)
    assert len(lines) == 2
    for line in lines:
        less = float(line.split(" times less")[0].split()[-1])
        work = float(line.split("work x ")[1])
        assert 1.5 < less < 4 and 1 < work < 9 * 64**2 / 128**2 + 0.1
