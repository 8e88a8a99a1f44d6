"""Devices that are not here: what a program is compiled for ahead of time.

    v5e:8x8   v6e:4x4   v5p:4x4x4   v4:2x2x2   tpu7x:2x2x1     by libtpu, no TPU needed
    h100:64                                                    by XLA's GPU compiler, 8 to a host
    cpu:8                                                      simulated, this process

The number after ``h100:`` counts GPUs; the shapes of TPUs count chips (v4 and tpu7x have two
devices a chip).  The description of an H100 below was written from its data sheet: the compiler
chooses algorithms without timing them, so what it says of memory is a lower bound.
"""

import dataclasses
import math
import re
from collections.abc import Sequence

import jax
from jax.experimental import topologies

TPUS = ("v4", "v5e", "v5p", "v6e", "tpu7x")
HOST_GPUS = 8
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: 84942979072
  shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


@dataclasses.dataclass(frozen=True)
class Topology:
    """Parsed by :func:`parse`.

    Attributes:
      chip: "v5p" and the like.
      shape: (4, 4, 4) and the like.
    """

    chip: str
    shape: tuple[int, ...]

    @property
    def platform(self) -> str:
        """As ``lax.platform_dependent`` names it."""
        return {"h100": "cuda", "cpu": "cpu"}.get(self.chip, "tpu")

    def devices(self) -> Sequence[jax.Device]:
        """Describes the devices; starts nothing.

        Raises:
          ValueError: the compiler is not installed, or knows no such shape.
        """
        if self.chip == "cpu":
            return _simulated(*self.shape)
        try:
            if self.chip == "h100":
                return _gpus(*self.shape)
            name = f"{self.chip}:{'x'.join(map(str, self.shape))}"
            return topologies.get_topology_desc(platform="tpu", topology_name=name).devices
        except (RuntimeError, ImportError, ValueError, NotImplementedError) as error:
            raise ValueError(self._why(error)) from error

    def _why(self, error: Exception) -> str:
        said = " ".join(str(error).split())
        if "lockfile" in said:
            return "--topology: another process holds libtpu; set ALLOW_MULTIPLE_LIBTPU_LOAD=1."
        packages = {
            "tpu": ("libtpu", "'jax[tpu]'"),
            "cuda": (
                "the CUDA plugin of JAX",
                "jax-cuda12-plugin jax-cuda12-pjrt nvidia-cuda-nvcc-cu12",
            ),
        }
        name, package = packages[self.platform]
        if "not installed" in said or "not implemented for" in said:
            return (
                f"--topology: compiling for {self.chip} needs {name}; in an environment of its "
                f"own, pip install {package}."
            )
        shape = "x".join(map(str, self.shape))
        return f"--topology: the compiler has no {self.chip}:{shape}. It says: {said[:300]}"


def parse(text: str) -> Topology:
    """``CHIP:SHAPE``; raises ValueError with what exists."""
    chip, _, shape = text.partition(":")
    known = ", ".join((*TPUS, "h100", "cpu"))
    if chip not in (*TPUS, "h100", "cpu"):
        raise ValueError(
            f"--topology={text}: no such chip; there are {known}, such as v5p:4x4x4, h100:8, cpu:8."
        )
    sizes = 1 if chip in ("h100", "cpu") else 2 if chip in ("v5e", "v6e") else 3
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", shape) or shape.count("x") != sizes - 1:
        example = {1: f"{chip}:8", 2: f"{chip}:4x4", 3: f"{chip}:2x2x1"}[sizes]
        raise ValueError(
            f"--topology={text}: {chip} takes {sizes} number(s) joined by x, such as {example}."
        )
    numbers = tuple(map(int, shape.split("x")))
    if chip == "h100" and numbers[0] > HOST_GPUS and numbers[0] % HOST_GPUS:
        raise ValueError(
            f"--topology={text}: a host has {HOST_GPUS} GPUs; take up to {HOST_GPUS} or a multiple."
        )
    return Topology(chip, numbers)


def _gpus(count: int) -> Sequence[jax.Device]:
    hosts = math.ceil(count / HOST_GPUS)
    return topologies.get_topology_desc(
        platform="cuda",
        topology_name="h100",
        target_config=H100,
        topology=f"{hosts}x1x{count // hosts}",
    ).devices


def _simulated(count: int) -> Sequence[jax.Device]:
    devices = jax.devices("cpu")
    if len(devices) < count:
        raise ValueError(
            f"--topology=cpu:{count}: this process has {len(devices)} simulated device(s); start "
            f"it with XLA_FLAGS=--xla_force_host_platform_device_count={count}."
        )
    return devices[:count]
