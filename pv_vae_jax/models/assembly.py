"""What all PV-VAEs have in common: fields, their values, and how encoder and decoder meet.

PV-VAE = encoder | decoder of an architecture, with the paddings of padding.py between   (1)
"""

from collections.abc import Collection, Mapping
from typing import Any

import flax.linen as nn

from pv_vae_jax.core import fields as named_fields
from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.layers import causal_conv
from pv_vae_jax.models import padding
from pv_vae_jax.models.pv_vae import PVVAE

SHARED: dict[str, Any] = {
    "channels": 64,
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
_KNOWN: dict[str, Collection[Any]] = {
    "time_padding": causal_conv.TIME_PADDINGS,
    "padding": padding.KINDS,
    "pixel_padding": padding.PIXEL_KINDS,
    "decoder_causal": (True, False),
    "scan": (True, False),
}


def check(size: Mapping[str, Any], known: Mapping[str, Collection[Any]]) -> None:
    """Raises ValueError for a field of ``SHARED`` or ``known`` with a value that does not exist."""
    compute_dtype(size["dtype"])
    named_fields.check(size, _KNOWN | known)
    least = ("channels", "patch", "padding_offsets", "padding_grid")
    named_fields.at_least(size, dict.fromkeys(least, 1))


def stages(size: Mapping[str, Any], names: Collection[str], count: int, why: str) -> None:
    """Raises ValueError for a field of ``names`` that is not of ``count`` stages."""
    for field in names:
        if len(size[field]) != count:
            raise ValueError(f"{why} {count} stages, but {field} has {len(size[field])}.")


def check_stages(size: Mapping[str, Any]) -> None:
    """Raises ValueError for widths, strides or numbers of blocks that no stages have."""
    named_fields.at_least(size, {"widths": 1, "encoder_blocks": 0, "decoder_blocks": 0})
    if any(len(stride) != 2 or min(stride) < 1 for stride in size["strides"]):
        raise ValueError(
            f"strides are pairs (time, space), each at least 1; got {tuple(size['strides'])}."
        )


def assemble(
    size: Mapping[str, Any],
    encoder: nn.Module,
    decoder: nn.Module,
    spec: LatentSpec,
    last_layer: str,
) -> PVVAE:
    """Equation (1).

    Args:
      size: with the fields of ``SHARED``.
      encoder: video ``[B, T, H, W, 3]`` to moments ``[B, G, h, w, 2c]``, float32.
      decoder: latents ``[B, G, h, w, c]`` to video, float32, not clamped.
      spec: what is true of them.
      last_layer: path of the parameter nearest to the pixels.
    """
    return PVVAE(
        encoder=encoder,
        decoder=decoder,
        padding=padding.Padding(
            size["channels"],
            size["padding"],
            size["padding_offsets"],
            tuple(size["padding_grid"]),
            size["time_padding"],
        ),
        pixel_padding=padding.PixelPadding(size["pixel_padding"]),
        spec=spec,
        last_layer=last_layer,
    )
