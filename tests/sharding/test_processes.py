"""Several processes do what one device does: gradients of each leaf, losses of SGD."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from tests.launch import runs
from tests.ports import free_port
from tests.sharding import parity


def differences(folder, processes, cases):
    """What differs from one device, by case; 8 devices in as many processes as asked for."""
    port = str(free_port())
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.sharding.process", port, str(processes), str(i)]
            + [str(folder), *cases],
            cwd=runs.ROOT, env=runs.environment(8 // processes),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for i in range(processes)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=1500)[0] for process in started]
    assert not any(process.returncode for process in started), "\n".join(outputs)
    found = {}
    for case in cases:
        kind, _, _, linear = case.split(":")
        with np.load(folder / f"{case.replace(':', '_')}.npz") as file:
            many = {path: file[path] for path in file.files}
        losses = [float(loss) for loss in many.pop("losses")]
        found[case] = parity.differences(parity.on_one_device(kind, linear == "1"), (many, losses))
    return {case: wrong for case, wrong in found.items() if wrong}


def test_two_processes_have_the_gradients_and_losses_of_one_device(tmp_path):
    assert not differences(tmp_path, 2, ["plain:1:1:1", "plain:2:0:1"])


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_every_mesh_over_processes_has_the_gradients_and_losses_of_one_device(tmp_path, processes):
    parts = itertools.product(parity.KINDS, (1, 2, 4, 8), (0, 1))
    cases = [f"{kind}:{model}:{fsdp}:0" for kind, model, fsdp in parts]
    assert not differences(tmp_path, processes, cases)
