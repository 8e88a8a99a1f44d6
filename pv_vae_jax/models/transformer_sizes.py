"""The named sizes of the Transformer.

                              layers     width  heads   parameters
    pv_vae_transformer_tiny    3 +  3      256      4         7M
    pv_vae_transformer_small   8 +  8      768     12       119M
    pv_vae_transformer_1b     12 + 12     2048     16     1,225M

The last is arXiv 2605.02134's (table 7): patches of 4 x 16 x 16, 16 heads of 128; with MLPs of 4
widths it has 1,221,493,888 parameters, and 3,146,560 for the patches of frame 0 and the padding
token.  A ``window`` of 5 groups is the paper's 17 frames: in training each group sees all earlier
ones, and a longer clip costs no more per frame.
"""

from collections.abc import Mapping
from typing import Any

from pv_vae_jax.core import fields
from pv_vae_jax.interface import ALL, LatentSpec
from pv_vae_jax.models import assembly, transformer
from pv_vae_jax.models.moments import HEADS
from pv_vae_jax.models.pv_vae import PVVAE
from pv_vae_jax.models.transformer_blocks import REMATS, Blocks

# Of every model with Transformer blocks.  window: groups that a token sees, its own included; 0 for
# all of a clip, which then has max_groups at most (33 groups are 129 frames).
BLOCKS: dict[str, Any] = assembly.SHARED | {
    "head": "norm",
    "mlp_ratio": 4,
    "qk_norm": True,
    "window": 5,
    "max_groups": 33,
}
_SHARED = BLOCKS | {"temporal": 4, "patch": 16}

SIZES: dict[str, dict[str, Any]] = {
    "pv_vae_transformer_tiny": _SHARED
    | {
        "head": "linear",
        "padding_grid": (2, 2),
        "width": 256,
        "heads": 4,
        "encoder_depth": 3,
        "decoder_depth": 3,
    },
    "pv_vae_transformer_small": _SHARED
    | {"width": 768, "heads": 12, "encoder_depth": 8, "decoder_depth": 8},
    "pv_vae_transformer_1b": _SHARED
    | {
        "width": 2048,
        "heads": 16,
        "encoder_depth": 12,
        "decoder_depth": 12,
        "remat": "block",
    },
}


def check(size: Mapping[str, Any]) -> None:
    """Raises ValueError for a field of a model with Transformer blocks whose value cannot be."""
    assembly.check(size, {"head": HEADS, "qk_norm": (True, False), "remat": REMATS})
    least = {"channels": 1, "patch": 1, "width": 1, "heads": 1, "encoder_depth": 1}
    least |= {"decoder_depth": 1, "mlp_ratio": 1, "window": 0, "max_groups": 1}
    fields.at_least(size, least)
    width, heads = size["width"], size["heads"]
    if width % heads or width // heads % 2 or width // heads < 6:
        raise ValueError(
            f"a head has an even number of channels, at least 6, for the places of three axes; got "
            f"a width of {width} in {heads} heads."
        )


def blocks(size: Mapping[str, Any], branch: str, causal: bool = True) -> Blocks:
    """The blocks of the "encoder" or the "decoder"."""
    return Blocks(
        depth=size[f"{branch}_depth"],
        heads=size["heads"],
        window=size["window"] or size["max_groups"],
        causal=causal,
        qk_norm=size["qk_norm"],
        dtype=size["dtype"],
        mlp_ratio=size["mlp_ratio"],
        remat=size["remat"],
        scan=size["scan"],
    )


def spec(size: Mapping[str, Any], temporal: int, spatial: int, beyond: int = 0) -> LatentSpec:
    """The spec of a model of such fields.

    Args:
      size: its fields.
      temporal: frames of a group.
      spatial: pixels per latent row and column.
      beyond: latents that the layers after the decoder's blocks look ahead, if they are not causal.
    """
    causal, window = size["decoder_causal"], size["window"]
    ahead = size["decoder_depth"] * (window - 1) + beyond if window else ALL
    return LatentSpec(
        temporal=temporal,
        spatial=spatial,
        channels=size["channels"],
        decoder_lookahead=0 if causal else ahead,
        streaming="exact" if causal else "none",
        max_groups=0 if window else size["max_groups"],
    )


def build(size: Mapping[str, Any]) -> PVVAE:
    """The model of such fields; ValueError if a field's value does not fit."""
    check(size)
    fields.at_least(size, {"temporal": 1})
    form = {name: size[name] for name in ("width", "temporal", "patch", "head", "dtype")}
    encoder = transformer.Encoder(size["channels"], blocks=blocks(size, "encoder"), **form)
    decoder_blocks = blocks(size, "decoder", size["decoder_causal"])
    decoder = transformer.Decoder(blocks=decoder_blocks, **form)
    about = spec(size, size["temporal"], size["patch"])
    return assembly.assemble(size, encoder, decoder, about, "decoder/pixels/kernel")
