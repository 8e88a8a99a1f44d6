"""Two processes train one model: they do not hang, and they stop and resume together."""

import json
import signal
import socket

from tests.launch import runs

CONFIG = f"{runs.CONFIG}:20,2"


def two(workdir, *arguments, each=([], [])):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cluster = [f"--coordinator=127.0.0.1:{port}", "--processes=2", "--config.run=('predictive',)"]
    return [
        runs.start(
            workdir, *cluster, f"--process={i}", *arguments, *each[i], config=CONFIG, devices=2
        )
        for i in range(2)
    ]


def ended(processes):
    outputs = [process.communicate(timeout=280)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    return outputs


def records(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_with_two_buckets_stop_at_one_step_and_go_on(tmp_path):
    workdir = tmp_path / "run"
    processes = two(workdir)
    runs.wait_for(workdir / "checkpoints" / "predictive" / "3", processes[0])
    processes[1].send_signal(signal.SIGTERM)
    outputs = ended(processes)
    assert all("stopped; the same command goes on" in output for output in outputs)
    stopped = records(workdir)[-1]
    assert stopped["stage"] == "predictive" and stopped["step"] < 20
    ended(two(workdir))
    steps = [(record["stage"], record["step"]) for record in records(workdir)]
    assert len(steps) == len(set(steps))
    assert steps[-1] == ("predictive", 20)
    assert records(workdir)[-1]["examples_per_second"] > 0
