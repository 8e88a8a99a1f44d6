"""Processes that read clips end with the process that started them, however that ends."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
SCRIPT = """
import time

def main():
    from pv_vae_jax.training import runs
    from tests.configs import smallest
    run = runs.of(smallest.get_config().to_dict())
    batches = run.training_data(run.stages[0]).batches(workers=2)
    next(batches)
    print("reads", flush=True)
    time.sleep(300)

if __name__ == "__main__":
    main()
"""


def children(parent: int) -> list[int]:
    found = pathlib.Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for each in found for child in each.read_text().split()]


def alive(process: int) -> bool:
    stat = pathlib.Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not pathlib.Path("/proc/self/task").exists(), reason="asks Linux for processes")
@pytest.mark.slow
def test_workers_end_with_a_process_that_is_killed(tmp_path):
    script = tmp_path / "reads.py"
    script.write_text(SCRIPT)
    reader = subprocess.Popen(
        [sys.executable, script], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert reader.stdout.readline() == "reads\n"
    workers = children(reader.pid)
    assert len(workers) >= 2
    os.kill(reader.pid, signal.SIGKILL)
    reader.wait()
    reader.stdout.close()
    end = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [worker for worker in workers if alive(worker)]
