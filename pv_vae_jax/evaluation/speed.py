"""How long encode and decode of one batch take, and how much memory: the paper's ISpeed and IMem.

    it/s = 1 / mean over counted runs of the seconds of encode and decode together          (1)
    GiB  = arguments, results and temporaries of the larger of the two compiled programs     (2)

The paper: 17 x 256 x 256, batch 4, mean of 100 runs after 50.  Its device is not named, so compare
ratios between models, never the numbers.  A device's own peak is of all that its process did,
judges and other models among it, so (2) is the compiler's account everywhere.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.models.video_vae import VideoVAE


@dataclasses.dataclass(frozen=True)
class Timed:
    """Runs of one compiled program.

    Attributes:
      seconds: of each counted run.
      program_bytes: its arguments, results and temporaries.
      device_bytes: peak of the device since the process began, all else that it did included; 0
        where it tells none.
    """

    seconds: tuple[float, ...]
    program_bytes: int
    device_bytes: int


def timed(program: Any, arguments: tuple, warmup: int, repeats: int) -> Timed:
    """Runs a compiled program ``warmup`` times, then ``repeats`` times with a clock."""
    seconds = []
    for _ in range(warmup + repeats):
        begin = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        seconds.append(time.perf_counter() - begin)
    sizes = program.memory_analysis()
    held = sizes.argument_size_in_bytes, sizes.output_size_in_bytes, sizes.temp_size_in_bytes
    stats = jax.local_devices()[0].memory_stats() or {}  # of another host none may be asked
    return Timed(tuple(seconds[warmup:]), sum(held), stats.get("peak_bytes_in_use", 0))


def ways(vae: VideoVAE, clip: tuple[int, ...]) -> dict[str, tuple[Callable, jax.Array]]:
    """Encode and decode as functions of (parameters, x), each with an x for clips ``clip``.

    Args:
      vae: the model.
      clip: (B, T, H, W).
    """
    module, random = vae.module, np.random.default_rng(0)
    batch, *form = clip
    latents = (batch, *vae.spec.latent_shape(*form))
    return {
        "encode": (
            lambda params, x: module.apply({"params": params}, x, method="posterior").mean,
            jnp.asarray(random.uniform(-1, 1, (*clip, 3)), jnp.float32),
        ),
        "decode": (
            lambda params, x: module.apply({"params": params}, x, method="decode_raw"),
            jnp.asarray(random.standard_normal(latents), jnp.float32),
        ),
    }


def inference(vae: VideoVAE, clip: tuple[int, ...], warmup: int, repeats: int) -> dict[str, Any]:
    """Equations (1) and (2) of clips ``(B, T, H, W)``, as JSON values with what they are of."""
    found = {}
    for way, (function, x) in ways(vae, clip).items():
        program = jax.jit(function).lower(vae.params, x).compile()
        found[way] = timed(program, (vae.params, x), warmup, repeats)
    seconds = sum(statistics.mean(each.seconds) for each in found.values())
    return {
        "clips": list(clip),
        "warmup": warmup,
        "repeats": repeats,
        "device": jax.local_devices()[0].device_kind,
        "memory_of": "program",
        "iterations_per_second": 1 / seconds,
        "gib": max(each.program_bytes for each in found.values()) / 2**30,
    }
