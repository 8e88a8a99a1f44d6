"""The named sizes of the CNN.

    spec: p_t = prod of time strides,  p_s = patch * prod of space strides                  (1)

``pv_vae_661m`` is our reading of the paper's 661M (which publishes neither widths nor depth).
"""

import math
from collections.abc import Mapping
from typing import Any

from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.models import assembly, cnn, stack
from pv_vae_jax.models.moments import HEADS
from pv_vae_jax.models.pv_vae import PVVAE

_SHARED = assembly.SHARED | {"head": "norm"}

SIZES: dict[str, dict[str, Any]] = {
    "pv_vae_tiny": _SHARED
    | {
        "patch": 4,
        "head": "linear",
        "padding_grid": (2, 2),
        "widths": (32, 64, 96),
        "strides": ((2, 2), (2, 2)),
        "encoder_blocks": (1, 1, 1),
        "decoder_blocks": (1, 1, 1),
    },
    "pv_vae_small": _SHARED
    | {
        "patch": 2,
        "widths": (64, 128, 192, 192),
        "strides": ((2, 2), (2, 2), (1, 2)),
        "encoder_blocks": (2, 2, 2, 2),
        "decoder_blocks": (2, 2, 2, 2),
    },
    "pv_vae_661m": _SHARED
    | {
        "patch": 1,
        "widths": (128, 128, 256, 512, 1024),
        "strides": ((2, 2), (2, 2), (1, 2), (1, 2)),
        "encoder_blocks": (2, 2, 2, 2, 2),
        "decoder_blocks": (3, 3, 3, 3, 3),
        "remat": "block",
    },
}


def build(size: Mapping[str, Any]) -> PVVAE:
    """The model of such fields; ValueError if a field's length or value does not fit."""
    strides = tuple(tuple(stride) for stride in size["strides"])
    per_stage = ("widths", "encoder_blocks", "decoder_blocks")
    assembly.stages(size, per_stage, len(strides) + 1, f"{len(strides)} strides make")
    assembly.check(size, {"head": HEADS, "remat": stack.REMATS})
    assembly.check_stages(size)
    kwargs = {
        "channels": size["channels"],
        "widths": tuple(size["widths"]),
        "strides": strides,
        "patch": size["patch"],
        "head": size["head"],
        "time_padding": size["time_padding"],
        "dtype": size["dtype"],
        "remat": size["remat"],
        "scan": size["scan"],
    }
    causal = size["decoder_causal"]
    ahead = 0 if causal else cnn.lookahead(tuple(size["decoder_blocks"]), strides)
    spec = LatentSpec(
        temporal=math.prod(time for time, _ in strides),
        spatial=size["patch"] * math.prod(space for _, space in strides),
        channels=size["channels"],
        decoder_lookahead=ahead,
        streaming="exact" if causal else "none",
        splits=("rows", "time"),
    )
    encoder = cnn.Encoder(stages=tuple(size["encoder_blocks"]), **kwargs)
    decoder = cnn.Decoder(stages=tuple(size["decoder_blocks"]), **kwargs, causal=causal)
    return assembly.assemble(size, encoder, decoder, spec, "decoder/conv_out/kernel")
