import re

import pytest

from launch.bench import split


@pytest.mark.slow
def test_halo_sends_less_than_the_partitioner_and_both_need_less_memory_than_one(
    monkeypatch, capsys
):
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    split.main(["--frames", "61", "--height", "128", "--width", "16", "--conv3d"])
    said = capsys.readouterr().out
    rows = re.findall(r"(\w+) +(rows|time|) +(\w+) +([\d.]+) MiB of .* ([\d.]+) MiB sent", said)
    found = {row[:3]: (float(row[3]), float(row[4])) for row in rows}
    assert len(found) == 2 * 5
    for method in ("posterior", "decode_raw"):
        memory, sent = found[method, "", "one"]
        assert sent == 0
        for by in ("rows", "time"):
            halo, partitioner = found[method, by, "halo"], found[method, by, "partitioner"]
            assert 0 < halo[1] < partitioner[1]
            assert max(halo[0], partitioner[0]) < memory
