"""Chips as their makers describe them, and the time a program takes at least on one.

    compute = sum over arithmetics FLOPs / rate,   memory = bytes / bandwidth               (1)
    network = sum over collectives
              max(bytes sent / rate of the links, bytes out of the host / rate of that)      (2)
    step    = max(compute, memory, network)                                                 (3)
    MFU     = model FLOPs / (step x peak)                                                   (4)

(3) is a roofline: everything overlaps and runs at its nominal rate, so ``step`` is a lower bound
and (4) an upper one.  (2) lets a collective use all links of its chip, which a torus with wrapped
links allows.  Peak of (4) is that of bfloat16.  On a TPU the default precision of float32 is one
pass of bfloat16, the highest six; on an H100 they are TF32 and float32 proper.

Sources, read in November 2026 (GB are 1e9 bytes; ``network`` is one direction, half of what the
pages call bidirectional):

    v4      cloud.google.com/tpu/docs/v4: 275 TFLOP/s, 32 GiB, 1200 GB/s, all-reduce of 1.1 PB/s in
            a pod of 4096 chips, which is 268 GB/s for each; two devices a chip
    v5e     cloud.google.com/tpu/docs/v5e: 197 TFLOP/s, 16 GB, 819 GB/s, 400 GB/s bidirectional
    v5p     cloud.google.com/tpu/docs/v5p: 459 TFLOP/s, 95 GiB, 2765 GB/s, 1200 GB/s bidirectional
    v6e     cloud.google.com/tpu/docs/v6e: 918 TFLOP/s, 32 GB, 1638 GB/s, 800 GB/s bidirectional
    tpu7x   cloud.google.com/tpu/docs/tpu7x: 2307 TFLOP/s, 192 GiB, two devices a chip; bandwidths
            of a chip 7380 GB/s and 1200 GB/s bidirectional
    h100    NVIDIA's data sheet of the H100 SXM: 989.4 TFLOP/s bfloat16 without sparsity, 494.7
            TF32, 66.9 float32, 80 GB, 3350 GB/s, NVLink 900 GB/s bidirectional among 8; beyond, of
            a DGX H100: one link of 400 Gbit/s for each GPU
"""

import dataclasses

from pv_vae_jax.costs.collectives import Collectives, Traffic
from pv_vae_jax.costs.flops import Flops

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
    """One device, as JAX counts devices.

    Attributes:
      name: as in a topology.
      memory: bytes that a program may use.
      rates: FLOP/s by arithmetic (flops.py); the peak is that of "bfloat16".
      bandwidth: bytes per second between chip and memory.
      network: bytes per second that the device sends, in one direction, over its fast links.
      beyond: bytes per second that it sends to devices of other hosts; 0 where the fast links join
        all of a topology.
    """

    name: str
    memory: int
    rates: dict[str, float]
    bandwidth: float
    network: float
    beyond: float = 0.0

    @property
    def peak(self) -> float:
        """FLOP/s in bfloat16."""
        return self.rates["bfloat16"]


def _tpu(name: str, memory: float, peak: float, bandwidth: float, network: float) -> Chip:
    rates = {"bfloat16": peak, "float32": peak, "float32 highest": peak / 6}
    return Chip(name, int(memory * GIB), rates, bandwidth, network)


# The memory of TPUs is what their compiler allows a program (libtpu 0.0.42.1), not the nominal.
CHIPS = {
    chip.name: chip
    for chip in (
        _tpu("v4", 15.25, 275e12 / 2, 1200e9 / 2, 268e9 / 2),
        _tpu("v5e", 15.75, 197e12, 819e9, 200e9),
        _tpu("v5p", 95.74, 459e12, 2765e9, 600e9),
        _tpu("v6e", 31.25, 918e12, 1638e9, 400e9),
        _tpu("tpu7x", 94.75, 2307e12 / 2, 7380e9 / 2, 600e9 / 2),
        Chip(
            "h100",
            80 * 10**9,
            {"bfloat16": 989.4e12, "float32": 494.7e12, "float32 highest": 66.9e12},
            3350e9,
            450e9,
            beyond=50e9,
        ),
    )
}


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Seconds of one run on each device, equations (1) to (4)."""

    compute: float
    memory: float
    network: float
    utilization: float

    @property
    def step(self) -> float:
        """Equation (3)."""
        return max(self.compute, self.memory, self.network)

    @property
    def bound(self) -> str:
        """The term that decides."""
        return max(("compute", "memory", "network"), key=lambda term: getattr(self, term))


def _seconds(chip: Chip, traffic: Traffic) -> float:
    """Of one collective, equation (2)."""
    out = traffic.crossing / chip.beyond if chip.beyond else 0.0
    return max(traffic.sent / chip.network, out)


def roofline(
    chip: Chip, flops: Flops, traffic: float, collectives: Collectives, devices: int
) -> Roofline:
    """The least time of a program on ``devices`` chips.

    Args:
      chip: one of them.
      flops: of all devices together; they share the work evenly.
      traffic: bytes between each chip and its memory.
      collectives: of each device.
      devices: their number.

    Raises:
      ValueError: an arithmetic whose rate is not known.
    """
    unknown = sorted(set(flops.by_arithmetic) - set(chip.rates))
    if unknown:
        raise ValueError(f"the rate of {unknown[0]} on {chip.name} is not known.")
    compute = sum(n / chip.rates[name] for name, n in flops.by_arithmetic.items()) / devices
    memory = traffic / chip.bandwidth
    network = sum(_seconds(chip, each) for each in collectives.values())
    step = max(compute, memory, network)
    return Roofline(compute, memory, network, flops.model / devices / chip.peak / step)
