"""The launch files for machines that are not here: what they would run."""

import os
import shlex
import shutil
import subprocess
import time

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
    done = shell("launch/tpu_pod.sh", *where, TRAIN[0], "--workdir=runs/full")
    assert done.returncode == 2 and "is within the clone, which is replaced" in done.stderr


def test_a_tpu_pod_stops_what_ran_before_and_not_the_shell_that_asks(tmp_path):
    """The remote command with a trainer of two seconds, and everything else played by scripts."""
    where = ["--name", "pod", "--zone", "z", "--dry-run", "--"]
    done = shell("launch/tpu_pod.sh", *where, "--config=c.py", "--workdir=/w")
    script = shlex.split(done.stdout.splitlines()[1])[-1].removeprefix("--command=")
    python = tmp_path / ".venv-pv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    trainer = "#!/bin/bash\n[ $3 = launch.train ] || exit 0\necho begun >>$HOME/trained\n"
    trainer += "trap 'sleep 1; echo saved >>$HOME/trained; exit' TERM\nsleep 20 & wait\n"
    python.write_text(trainer)
    for name in ("git", "python3.13"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nmkdir -p $HOME/pv_vae_jax\n")
    for path in (python, *(tmp_path / "bin").iterdir()):
        path.chmod(0o755)
    # Under a script's name the process is "bash .../python": pkill is asked for that.
    script = script.replace("'^[^ ]*python", f"'^[^ ]*bash {tmp_path}[^ ]*python")
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    trained = tmp_path / "trained"
    try:
        for begun in (1, 2):
            shell_ = ["bash", "-c", script]
            done = subprocess.run(shell_, cwd=tmp_path, env=os.environ | environment, timeout=60)
            assert done.returncode == 0
            until = time.monotonic() + 20
            while not trained.exists() or trained.read_text().count("begun") < begun:
                assert time.monotonic() < until
                time.sleep(0.1)
        assert trained.read_text().split() == ["begun", "saved", "begun"]
    finally:
        subprocess.run(["pkill", "-KILL", "-f", f"bash {tmp_path}"], check=False)


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
    assert "#SBATCH --signal=B:USR1@" in text and "#SBATCH --requeue" in text


@pytest.mark.parametrize("script", ["launch/tpu_pod.sh", "launch/slurm.sbatch"])
def test_a_run_on_many_hosts_needs_a_workdir(script):
    arguments = ["--name", "a", "--zone", "b", "--"] if script.endswith("pod.sh") else []
    done = shell(script, *arguments, "--config=configs/pv_vae_661m.py", DRY_RUN="1")
    assert done.returncode == 2 and "--workdir=DIR is needed" in done.stderr


def test_slurm_queues_the_job_again_at_its_end_and_not_after_it_fails_or_is_cancelled(tmp_path):
    """srun, scontrol and scancel are played by scripts; the batch shell is told by USR1."""
    done, step = tmp_path / "requeued", tmp_path / "step"
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho $@ >{done}\n")
    (tmp_path / "scancel").write_text(
        f'#!/bin/sh\n[ "$*" = "--signal=TERM 42" ] && kill $(cat {step})\n'
    )
    (tmp_path / "srun").write_text(
        f"#!/bin/sh\necho $$ >{step}\n[ $END = fail ] && exit 7\ntrap 'exit 0' TERM\n"
        "[ $END = cancel ] && kill -TERM $PPID && exit 0\nkill -USR1 $PPID\n"
        "sleep 5 >/dev/null 2>&1 & wait $!\n"
    )
    for name in ("scontrol", "srun", "scancel"):
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    settings = {"PATH": path, "PYTHON": shutil.which("true"), "SLURM_JOB_ID": "42"}
    settings["SLURM_SUBMIT_DIR"] = str(tmp_path)
    script = str(ROOT / "launch/slurm.sbatch")
    assert shell(script, *TRAIN, **settings, END="fail").returncode == 7 and not done.exists()
    assert shell(script, *TRAIN, **settings, END="cancel").returncode and not done.exists()
    result = shell(script, *TRAIN, **settings, END="time")
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
