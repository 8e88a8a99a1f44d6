"""Several processes find one another, compare what they are to do, and notice a lost one."""

import random
import subprocess
import sys
import time

import pytest

from launch import hosts
from tests.launch import runs
from tests.launch.test_two_processes import ended, records, two

SLURM = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_STEP_NODELIST": "n[1-2]"}


@pytest.mark.parametrize(
    ("environment", "scheduler"),
    [
        ({}, None),
        (SLURM | {"SLURM_NTASKS": "16"}, "slurm"),
        (SLURM | {"SLURM_NTASKS": "1"}, None),
        (
            {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "16"},
            None,
        ),  # a shell of salloc, not a step of srun
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "ompi"),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, "tpu"),
        ({"TPU_WORKER_HOSTNAMES": "a"}, None),
    ],
)
def test_a_scheduler_is_asked_where_it_tells_of_several_processes(environment, scheduler):
    assert hosts.scheduler_of(environment) == scheduler


def test_a_scheduler_that_does_not_tell_enough_is_a_sentence():
    program = (
        "from absl import flags; from launch import hosts; flags.FLAGS(['x']); hosts.connect()"
    )
    environment = runs.environment() | {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=runs.ROOT, env=environment, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1].startswith("ConnectionError: --cluster=auto: the environ")
    assert (
        "'OMPI_MCA_orte_hnp_uri'" in done.stderr and "give --coordinator=host:port" in done.stderr
    )


def test_flags_that_name_processes_but_no_place_to_meet_are_told():
    program = """
from absl import flags
from launch import hosts
for given in ("--process=1", "--processes=2", "--coordinator=a:1 --process=3 --processes=2",
              "--coordinator=a:1 --processes=2 --cluster=slurm"):
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["x", *given.split()])
    try:
        hosts.connect()
    except ValueError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=runs.ROOT, env=runs.environment(),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "--processes=1 --process=1 needs --coordinator=host:port.",
        "--processes=2 --process=0 needs --coordinator=host:port.",
        "--process=3 is to be below --processes=2.",
        "--coordinator and --cluster=slurm: give one of them.",
    ], done.stderr


def test_processes_with_another_config_all_end_with_the_sentence(tmp_path):
    processes = two(tmp_path / "run", each=([], ["--config.stages.predictive.steps=19"]))
    outputs = [process.communicate(timeout=280)[0] for process in processes]
    assert [process.returncode for process in processes] == [2, 2]
    for output in outputs:
        assert "the config of process 1 differs from that of process 0" in output
    assert not (tmp_path / "run").exists()


def lose(workdir, processes, number):
    """Kills one process; the other must notice within the time that the flag says."""
    runs.kill(processes[number])
    begin, other = time.monotonic(), processes[1 - number]
    output = other.communicate(timeout=280)[0]
    assert other.returncode not in (0, 2) and time.monotonic() - begin < 60, output
    assert (workdir / "failures" / f"process-{1 - number}.log").stat().st_size
    return output


@pytest.mark.slow
def test_a_lost_process_ends_the_other_with_a_log_and_the_run_goes_on(tmp_path):
    workdir = tmp_path / "run"
    processes = two(workdir, "--lost_after=10")
    runs.wait_for(workdir / "checkpoints" / "predictive" / "3", processes[0])
    lose(workdir, processes, 1)
    ended(two(workdir))
    assert records(workdir)[-1]["step"] == 20
    assert not any((workdir / "failures").iterdir())


def newest(workdir):
    steps = (workdir / "checkpoints" / "predictive").glob("[0-9]*")
    return max((int(path.name) for path in steps if path.name.isdigit()), default=0)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["one", "both"])
def test_a_run_killed_at_any_moment_ten_times_ends_as_if_it_had_not_been(tmp_path, which):
    whole, workdir, dice = tmp_path / "whole", tmp_path / "run", random.Random(which)
    ended(two(whole))
    kills = 0
    for _ in range(10):  # each one a moment after a checkpoint that was not there before
        last = newest(workdir)
        processes = two(workdir, "--lost_after=10", "--config.runtime.checkpoint_every=1")
        while newest(workdir) == last and processes[0].poll() is None:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.3))
        if any(process.poll() is not None for process in processes):
            ended(processes)  # it was through before it could be killed
            break
        kills += 1
        if which == "one":
            lose(workdir, processes, dice.randrange(2))
        else:
            for process in processes:
                runs.kill(process)
    assert kills >= 3
    ended(two(workdir))
    one, other = (runs.arrays(folder, "predictive", 20) for folder in (whole, workdir))
    assert set(one) == set(other)
    assert all((one[path] == other[path]).all() for path in one)
