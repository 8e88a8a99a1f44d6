"""The launch files for machines that are not here: what they would run."""

import os
import shlex
import shutil
import subprocess

import pytest
import yaml

from tests.launch.runs import ROOT

TRAIN = ["--config=configs/pv_vae_661m.py", "--workdir=gs://bucket/my runs/full"]


def shell(*command, **environment):
    # doors that other tests called set the cache for their own process
    ours = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    return subprocess.run(
        ["bash", *command], cwd=ROOT, env=ours | environment, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def test_a_tpu_pod_gets_this_commit_and_the_same_command_on_every_host():
    done = shell("launch/tpu_pod.sh", "--name=x")
    assert done.returncode == 2 and "unknown argument --name=x" in done.stderr
    where = ["--name", "pod", "--zone", "us-east5-a", "--project", "mine", "--dry-run", "--"]
    done = shell("launch/tpu_pod.sh", *where, *TRAIN)
    assert done.returncode == 0, done.stderr
    copy, remote = map(shlex.split, done.stdout.splitlines()[:2])
    assert copy[:5] == ["gcloud", "compute", "tpus", "tpu-vm", "scp"]
    assert copy[6] == "pod:pv_vae_jax.bundle" and "--worker=all" in copy
    assert {"--zone=us-east5-a", "--worker=all", "--project=mine"} <= set(remote)
    script = remote[-1].removeprefix("--command=")
    assert subprocess.run(["bash", "-n"], input=script, text=True, timeout=60).returncode == 0
    flags = script.rsplit("launch.train", 1)[1].split(" >")[0]
    assert shlex.split(flags) == ["--cluster=tpu", *TRAIN]


def test_slurm_starts_a_process_for_each_gpu_and_asks_to_be_told_before_the_end():
    done = shell("launch/slurm.sbatch", *TRAIN, DRY_RUN="1", PYTHON="/env/bin/python")
    cache, command = done.stdout.splitlines()
    assert cache == "JAX_COMPILATION_CACHE_DIR=gs://bucket/my runs/full/xla_cache"
    words = shlex.split(command)
    assert words[0] == "srun" and words[-3:] == ["--cluster=slurm", *TRAIN]
    text = (ROOT / "launch/slurm.sbatch").read_text()
    tasks, gpus = (
        int(text.split(f"#SBATCH --{key}=")[1].split()[0])
        for key in ("ntasks-per-node", "gpus-per-node")
    )
    assert tasks == gpus
    assert "#SBATCH --signal=TERM@" in text and "#SBATCH --requeue" in text


@pytest.mark.parametrize("script", ["launch/tpu_pod.sh", "launch/slurm.sbatch"])
def test_a_run_on_many_hosts_needs_a_workdir(script):
    arguments = ["--name", "a", "--zone", "b", "--"] if script.endswith("pod.sh") else []
    done = shell(script, *arguments, "--config=configs/pv_vae_661m.py", DRY_RUN="1")
    assert done.returncode == 2 and "--workdir=DIR is needed" in done.stderr


def test_slurm_queues_the_job_again_after_its_signal_and_keeps_other_exit_codes(tmp_path):
    """srun and scontrol are played by scripts."""
    done = tmp_path / "requeued"
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho $@ >{done}\n")
    (tmp_path / "srun").write_text(
        '#!/bin/sh\n[ "$FAIL" ] && exit 7\ntrap "exit 0" TERM\nkill -TERM $PPID\n'
        "sleep 0.2\nkill -TERM $$\nsleep 5\n"
    )
    for name in ("scontrol", "srun"):
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    settings = {"PATH": path, "PYTHON": shutil.which("true"), "SLURM_JOB_ID": "42"}
    settings["SLURM_SUBMIT_DIR"] = str(tmp_path)
    result = shell(str(ROOT / "launch/slurm.sbatch"), *TRAIN, **settings, FAIL="1")
    assert result.returncode == 7 and not done.exists()
    result = shell(str(ROOT / "launch/slurm.sbatch"), *TRAIN, **settings, FAIL="")
    assert result.returncode == 0, result.stderr
    assert done.read_text() == "requeue 42\n"


def test_the_jobset_has_as_many_pods_as_processes_and_meets_at_the_first_one():
    jobset = yaml.safe_load((ROOT / "launch/jobset.yaml").read_text())
    (job,) = jobset["spec"]["replicatedJobs"]
    form = job["template"]["spec"]
    (train,) = form["template"]["spec"]["containers"]
    flags = dict(f.removeprefix("--").split("=", 1) for f in train["command"] if "=" in f)
    assert form["parallelism"] == form["completions"] == int(flags["processes"])
    assert form["completionMode"] == "Indexed" and flags["process"] == "$(HOST_INDEX)"
    name = jobset["metadata"]["name"]
    host, port = flags["coordinator"].split(":")
    assert host == f"{name}-{job['name']}-0-0.{name}"
    assert int(port) == train["ports"][0]["containerPort"]
    assert (ROOT / flags["config"]).is_file()


def test_the_image_copies_what_the_package_is_built_from_before_the_rest():
    text = (ROOT / "launch/Dockerfile").read_text()
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY")]
    needed = {"setup.py", "constraints.txt", "README.md", "pv_vae_jax/__init__.py"}
    assert needed == {name for names in copied[:2] for name in names} and copied[2] == ["."]
