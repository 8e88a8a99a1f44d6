"""The named sizes of the hybrid; its Transformer blocks have the fields of transformer_sizes.py.

spec: p_t = prod of time strides,  p_s = patch * prod of space strides                  (1)
"""

import math
from collections.abc import Mapping
from typing import Any

from pv_vae_jax.models import assembly, hybrid, reach, transformer_sizes
from pv_vae_jax.models.pv_vae import PVVAE

_SHARED = transformer_sizes.BLOCKS

SIZES: dict[str, dict[str, Any]] = {
    "pv_vae_hybrid_tiny": _SHARED
    | {
        "patch": 4,
        "head": "linear",
        "padding_grid": (2, 2),
        "widths": (32, 64),
        "strides": ((2, 2), (2, 2)),
        "encoder_blocks": (1, 1),
        "decoder_blocks": (1, 1),
        "width": 192,
        "heads": 4,
        "encoder_depth": 2,
        "decoder_depth": 2,
    },
    "pv_vae_hybrid_small": _SHARED
    | {
        "patch": 2,
        "widths": (64, 128, 192),
        "strides": ((2, 2), (2, 2), (1, 2)),
        "encoder_blocks": (1, 1, 1),
        "decoder_blocks": (2, 2, 2),
        "width": 512,
        "heads": 8,
        "encoder_depth": 4,
        "decoder_depth": 4,
    },
    "pv_vae_hybrid_661m": _SHARED
    | {
        "patch": 2,
        "widths": (128, 256, 512),
        "strides": ((2, 2), (2, 2), (1, 2)),
        "encoder_blocks": (2, 2, 2),
        "decoder_blocks": (3, 3, 3),
        "width": 1536,
        "heads": 12,
        "encoder_depth": 9,
        "decoder_depth": 10,
        "remat": "block",
    },
}


def build(size: Mapping[str, Any]) -> PVVAE:
    """The model of such fields; ValueError if a field's length or value does not fit."""
    strides = tuple(tuple(stride) for stride in size["strides"])
    per_stage = ("widths", "encoder_blocks", "decoder_blocks")
    assembly.stages(size, per_stage, len(strides), f"{len(strides)} strides lead from")
    transformer_sizes.check(size)
    assembly.check_stages(size)
    causal, decoder_stages = size["decoder_causal"], tuple(size["decoder_blocks"])
    names = ("width", "patch", "head", "time_padding", "dtype", "remat", "scan")
    form = {name: size[name] for name in names}
    form |= {"widths": tuple(size["widths"]), "strides": strides}
    encoder = hybrid.Encoder(
        channels=size["channels"],
        stages=tuple(size["encoder_blocks"]),
        blocks=transformer_sizes.blocks(size, "encoder"),
        **form,
    )
    decoder = hybrid.Decoder(
        stages=decoder_stages,
        blocks=transformer_sizes.blocks(size, "decoder", causal),
        **form,
        causal=causal,
    )
    spec = transformer_sizes.spec(
        size,
        temporal=math.prod(time for time, _ in strides),
        spatial=size["patch"] * math.prod(space for _, space in strides),
        beyond=reach.lookahead(strides, decoder_stages),
    )
    return assembly.assemble(size, encoder, decoder, spec, "decoder/conv_out/kernel")
