"""How fast a run computes, for each line of the log.

    flops_per_second = sum over updates of model FLOPs / seconds                            (1)
    mfu              = flops_per_second / (devices x peak in bfloat16)                      (2)

Model FLOPs are counted once for each program and shape of batch, from its jaxpr (costs/flops.py);
work that is done again for the backward pass is not in them.  (2) is left out where the peak of the
devices is not known: on CPU, and on kinds that are not in ``KINDS``.
"""

import warnings
from collections.abc import Callable
from typing import Any

from pv_vae_jax.costs import chips, flops

# device_kind as PJRT names it -> name in costs/chips.py.  TPU v4 is not here: whether a device is
# a chip or half of one depends on how its runtime is set up.
KINDS = {
    "TPU v5 lite": "v5e",
    "TPU v5e": "v5e",
    "TPU v5": "v5p",
    "TPU v5p": "v5p",
    "TPU v6 lite": "v6e",
    "TPU v6e": "v6e",
    "TPU7x": "tpu7x",
    "NVIDIA H100 80GB HBM3": "h100",
}


def model_flops(program: Callable, *args: Any) -> int | None:
    """Model FLOPs of ``program(*args)`` on all devices; None, with a warning, if unknown."""
    try:
        return flops.of(program, *args).model
    except ValueError as error:
        warnings.warn(f"flops_per_second and mfu are not logged: {error}", stacklevel=2)
        return None


def peak(kinds: list[str]) -> float | None:
    """FLOP/s in bfloat16 of devices of these kinds together; None if one of them is not known."""
    if any(kind not in KINDS for kind in kinds):
        return None
    return sum(chips.CHIPS[KINDS[kind]].peak for kind in kinds)


def values(done: list[int | None], seconds: float, kinds: list[str]) -> dict[str, float]:
    """Values of a line of the log.

    Args:
      done: model FLOPs of each update; nothing is logged if one is not known.
      seconds: that they took.
      kinds: ``device_kind`` of each device of the mesh.
    """
    if not done or None in done:
        return {}
    rate, most = sum(done) / seconds, peak(kinds)
    return {"flops_per_second": rate} | ({"mfu": rate / most} if most else {})
