"""Two processes train one model: they do not hang, stop together, go on, also on another mesh."""

import json
import signal

import pytest

from tests.launch import runs
from tests.ports import free_port

CONFIG = f"{runs.CONFIG}:20,2"
FSDP = ("--config.runtime.sharding.fsdp=True", "--config.runtime.sharding.least=64")


def two(workdir, *arguments, each=([], []), config=CONFIG):
    cluster = [
        f"--coordinator=127.0.0.1:{free_port()}",
        "--processes=2",
        "--config.run=('predictive',)",
    ]
    return [
        runs.start(
            workdir, *cluster, f"--process={i}", *arguments, *each[i], config=config, devices=2
        )
        for i in range(2)
    ]


def ended(processes, code=0):
    outputs = [process.communicate(timeout=280)[0] for process in processes]
    assert all(process.returncode == code for process in processes), "\n".join(outputs)
    return outputs


def records(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_with_two_buckets_stop_at_one_step_and_go_on(tmp_path):
    workdir = tmp_path / "run"
    processes = two(workdir, "--stopped_code=4")
    runs.wait_for(workdir / "checkpoints" / "predictive" / "3", processes[0])
    processes[1].send_signal(signal.SIGTERM)
    outputs = ended(processes, 4)
    assert all("stopped; the same command goes on" in output for output in outputs)
    stopped = records(workdir)[-1]
    assert stopped["stage"] == "predictive" and stopped["step"] < 20
    outputs = ended(two(workdir, *FSDP))
    # 4 devices, the batch of 8 clips in 4 parts, the state of the checkpoint in 4 parts too
    assert "config.runtime.sharding.fsdp was False and is now True" in outputs[0]
    assert "4 devices, data 4 x model 1, 2 processes" in outputs[0]
    assert "8 clips of 9 x 16 x 16 a step, 2 on each of 4 parts" in outputs[0]
    assert not any("MiB on a device" in line for line in outputs[1].splitlines())
    table = (workdir / "parameters.txt").read_text().splitlines()
    (kernel,) = (line for line in table if line.startswith("slots/1/mu/decoder/up_0/conv/kernel"))
    assert kernel.split()[1:] == ["3x3x3x8x8", "float32", "-,-,-,data,-", "1,728"]
    steps = [(record["stage"], record["step"]) for record in records(workdir)]
    assert len(steps) == len(set(steps))
    assert steps[-1] == ("predictive", 20)
    assert records(workdir)[-1]["examples_per_second"] > 0


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one_also_where_model_crosses_them(tmp_path):
    config, steps = (
        f"{runs.CONFIG}:6,1",
        ("--config.run=('predictive',)", "--config.runtime.log_every=1"),
    )
    alone = runs.start(tmp_path / "one", *steps, config=config)
    ended([alone])
    crossing = ("--config.runtime.mesh.model=4", "--config.runtime.mesh.slow=model")
    ended(two(tmp_path / "fsdp", steps[1], *FSDP, config=config))  # two() names the stage
    ended(two(tmp_path / "model", steps[1], *crossing, config=config))
    expected = [record["total"] for record in records(tmp_path / "one")]
    assert len(expected) == 6
    for name in ("fsdp", "model"):
        found = [record["total"] for record in records(tmp_path / name)]
        assert found == pytest.approx(expected, rel=1e-5), name
