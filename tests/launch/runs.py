"""Runs of launch.train as a user's command, in processes of their own."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import orbax.checkpoint as ocp

ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG = "tests/configs/smallest.py"


def command(workdir, *arguments, config=CONFIG):
    return [
        *(sys.executable, "-m", "launch.train"),
        *(f"--config={config}", f"--workdir={workdir}"),
        *arguments,
    ]


def environment(devices: int = 1) -> dict[str, str]:
    # programs of a few steps: what the compiler saves by not optimising is most of their time
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    return os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def door(name: str, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", name, *arguments], cwd=ROOT, env=environment(),
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip


def train(workdir, *arguments, config=CONFIG) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(workdir, *arguments, config=config), cwd=ROOT, env=environment(),
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip


def start(workdir, *arguments, config=CONFIG, devices=1) -> subprocess.Popen:
    return subprocess.Popen(
        command(workdir, *arguments, config=config), cwd=ROOT, env=environment(devices),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for(path: pathlib.Path, process: subprocess.Popen, seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.01)


def kill(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def arrays(workdir: pathlib.Path, stage: str, step: int) -> dict[str, np.ndarray]:
    """Every array of a checkpoint, by path."""
    import jax

    folder = workdir.resolve() / "checkpoints" / stage / str(step) / "state"
    with ocp.StandardCheckpointer() as reader:
        shapes = reader.metadata(folder)
        tree = getattr(shapes, "item_metadata", shapes)
        device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), tree
        )
        restored = reader.restore(folder, abstract)
    leaves = jax.tree_util.tree_leaves_with_path(restored)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
