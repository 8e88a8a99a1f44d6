"""Named sizes, as plain typed fields, and the one function that builds a model of them.

    spec: p_t = prod of time strides,  p_s = patch * prod of space strides                  (1)

``pv_vae_661m`` is our reading of the paper's 661M (which publishes neither widths nor depth).
"""

import math
from typing import Any

from pv_vae_jax.core import fields as named_fields
from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.layers import causal_conv
from pv_vae_jax.models import cnn, padding, stack
from pv_vae_jax.models.pv_vae import PVVAE

_SHARED: dict[str, Any] = {
    "channels": 64,
    "head": "norm",
    "time_padding": "replicate",
    "padding": "token",
    "padding_offsets": 16,
    "padding_grid": (16, 16),
    "pixel_padding": "zeros",
    "decoder_causal": True,
    "dtype": "float32",
    "remat": "none",
    "scan": False,
}

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
        "strides": cnn.PAPER_STRIDES,
        "encoder_blocks": (2, 2, 2, 2, 2),
        "decoder_blocks": (3, 3, 3, 3, 3),
        "remat": "block",
    },
}


def fields(name: str, **overrides: Any) -> dict[str, Any]:
    """All fields of a named size, with overrides.

    Raises:
      ValueError: no such size or no such field; the message lists those that exist.
    """
    return named_fields.named(SIZES, "size", name, overrides)


def _check(size: dict[str, Any]) -> None:
    stages = len(size["strides"]) + 1
    for field in ("widths", "encoder_blocks", "decoder_blocks"):
        if len(size[field]) != stages:
            raise ValueError(
                f"{stages - 1} strides make {stages} stages, but {field} has {len(size[field])}."
            )
    compute_dtype(size["dtype"])
    known = {
        "time_padding": causal_conv.TIME_PADDINGS,
        "padding": padding.KINDS,
        "pixel_padding": padding.PIXEL_KINDS,
        "decoder_causal": (True, False),
        "head": cnn.HEADS,
        "remat": stack.REMATS,
        "scan": (True, False),
    }
    named_fields.check(size, known)
    if size["padding_offsets"] < 1 or min(size["padding_grid"]) < 1:
        raise ValueError(
            "padding_offsets and both sides of padding_grid are at least 1; "
            f"got {size['padding_offsets']} and {tuple(size['padding_grid'])}."
        )


def build(name: str, **overrides: Any) -> PVVAE:
    """The model of a named size, with overrides of its fields.

    Raises:
      ValueError: as :func:`fields`, or a field's length or value does not fit.
    """
    size = fields(name, **overrides)
    _check(size)
    strides = tuple(tuple(stride) for stride in size["strides"])
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
    return PVVAE(
        encoder=cnn.Encoder(blocks=tuple(size["encoder_blocks"]), **kwargs),
        decoder=cnn.Decoder(blocks=tuple(size["decoder_blocks"]), **kwargs, causal=causal),
        padding=padding.Padding(
            size["channels"],
            size["padding"],
            size["padding_offsets"],
            tuple(size["padding_grid"]),
            size["time_padding"],
        ),
        pixel_padding=padding.PixelPadding(size["pixel_padding"]),
        spec=spec,
    )
