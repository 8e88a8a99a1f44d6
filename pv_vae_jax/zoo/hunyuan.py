"""The VAE of HunyuanVideo, t4s8c16.

    encoder    conv, [blocks, down] x 3, blocks, middle, norm, SiLU, conv, 1x1x1
    decoder    1x1x1, conv, middle, [blocks, up] x 3, blocks, norm, SiLU, conv
    middle     block, attention, block

The layers are those of hunyuan_layers.py.  Their norms see the whole clip, so that each latent and
each decoded frame depends on all others, though convolutions and attention are causal.  Stages are
numbered from the pixels; each half changes space alone at its first step, so the decoder is not the
encoder's mirror.
References: arXiv 2412.03603, section 4.1; AutoencoderKLHunyuanVideo of diffusers, without tiles.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.interface import ALL, LatentSpec
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.models.pv_vae import PVVAE
from pv_vae_jax.zoo.baseline import SHARED, Baseline, Fields, compose
from pv_vae_jax.zoo.group_norm import GroupNorm
from pv_vae_jax.zoo.hunyuan_layers import POINT, Blocks, EdgeConv3D, Up
from pv_vae_jax.zoo.torch_weights import Entry, affine, conv

DOWN = ((1, 2), (2, 2), (2, 2))  # the encoder's strides (time, space) between stages i and i + 1
UP = ((2, 2), (2, 2), (1, 2))  # the decoder's, which runs from the last of them to the first
STAGES = 4
SCALING = 0.476986  # z = SCALING raw


class Encoder(nn.Module):
    """Video to the moments of the posterior.

    Attributes:
      channels: latent channels c.
      widths: channels of the four stages, from pixels to latents.
      blocks: residual blocks of each stage.
      groups: of the norms.
      dtype: compute type, "float32" or "bfloat16".
      remat: "none" or "block".
    """

    channels: int
    widths: tuple[int, ...]
    blocks: int
    groups: int
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        form = self.groups, self.dtype, self.remat
        x = EdgeConv3D(self.widths[0], dtype=self.dtype, name="conv_in")(video)
        for i, width in enumerate(self.widths):
            x = Blocks(width, self.blocks, *form, name=f"stage_{i}")(x)
            if i < len(DOWN):
                x = EdgeConv3D(width, DOWN[i], self.dtype, name=f"down_{i}")(x)
        x = Blocks(self.widths[-1], 2, *form, attention=True, name="mid")(x)
        x = nn.silu(GroupNorm(self.groups, dtype=self.dtype, name="norm_out")(x))
        x = EdgeConv3D(2 * self.channels, dtype=self.dtype, name="conv_out")(x)
        x = CausalConv3D(2 * self.channels, POINT, dtype=self.dtype, name="quant")(x)
        return x.astype(jnp.float32)


class Decoder(nn.Module):
    """Latents to video; the attributes are those of :class:`Encoder`."""

    channels: int
    widths: tuple[int, ...]
    blocks: int
    groups: int
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        form = self.groups, self.dtype, self.remat
        x = CausalConv3D(self.channels, POINT, dtype=self.dtype, name="post_quant")(latents)
        x = EdgeConv3D(self.widths[-1], dtype=self.dtype, name="conv_in")(x)
        x = Blocks(self.widths[-1], 2, *form, attention=True, name="mid")(x)
        for i in reversed(range(len(self.widths))):
            if i < len(UP):
                x = Up(UP[i][0], self.dtype, name=f"up_{i}")(x)
            x = Blocks(self.widths[i], self.blocks, *form, name=f"stage_{i}")(x)
        x = nn.silu(GroupNorm(self.groups, dtype=self.dtype, name="norm_out")(x))
        return EdgeConv3D(3, dtype=self.dtype, name="conv_out")(x).astype(jnp.float32)


def build(**fields: Any) -> PVVAE:
    """The module of the fields of ``BASELINES``.

    Raises:
      ValueError: not four widths, widths that are not whole groups, or as
        :func:`~pv_vae_jax.zoo.baseline.compose`.
    """
    widths, groups, channels = tuple(fields["widths"]), fields["groups"], fields["channels"]
    if len(widths) != STAGES or any(width % groups for width in widths):
        raise ValueError(f"widths are {STAGES} multiples of groups = {groups}; got {widths}.")
    spec = LatentSpec(4, 8, channels, encoder_causal=False, decoder_lookahead=ALL, streaming="none")
    blocks, form = fields["blocks"], (groups, fields["dtype"], fields["remat"])
    return compose(
        Encoder(channels, widths, blocks, *form),
        Decoder(channels, widths, blocks + 1, *form),
        spec,
        fields,
    )


def _blocks(ours: str, theirs: str, count: int, widths: tuple[int, int]) -> list[Entry]:
    """Of ``count`` residual blocks, the first from the one of ``widths`` to the other."""
    found = []
    for i in range(count):
        a, b = f"{ours}/block_{i}", f"{theirs}.{i}"
        for ours_j, theirs_j in ((0, 1), (1, 2)):
            found += affine(f"{a}/norm_{ours_j}", f"{b}.norm{theirs_j}")
            found += conv(f"{a}/conv_{ours_j}", f"{b}.conv{theirs_j}.conv")
        if i == 0 and widths[0] != widths[1]:
            found += conv(f"{a}/shortcut", f"{b}.conv_shortcut.conv")
    return found


def _ends(half: str, width: int) -> list[Entry]:
    """What encoder and decoder have alike."""
    attention, theirs = f"{half}/mid/attention", f"{half}.mid_block.attentions.0"
    projections = {"query": "to_q", "key": "to_k", "value": "to_v", "out": "to_out.0"}
    return [
        *conv(f"{half}/conv_in", f"{half}.conv_in.conv"),
        *_blocks(f"{half}/mid", f"{half}.mid_block.resnets", 2, (width, width)),
        *affine(f"{attention}/norm", f"{theirs}.group_norm"),
        *(
            entry
            for a, b in projections.items()
            for entry in conv(f"{attention}/{a}", f"{theirs}.{b}", "linear")
        ),
        *affine(f"{half}/norm_out", f"{half}.conv_norm_out"),
        *conv(f"{half}/conv_out", f"{half}.conv_out.conv"),
    ]


def tensors(fields: Fields) -> list[Entry]:
    """Of the checkpoint; the official names and those of diffusers are the same."""
    widths, blocks = tuple(fields["widths"]), fields["blocks"]
    found = [*_ends("encoder", widths[-1]), *_ends("decoder", widths[-1])]
    found += conv("encoder/quant", "quant_conv") + conv("decoder/post_quant", "post_quant_conv")
    for i, width in enumerate(widths):
        a, b = f"encoder/stage_{i}", f"encoder.down_blocks.{i}"
        found += _blocks(a, f"{b}.resnets", blocks, (widths[max(i - 1, 0)], width))
        a, c = f"decoder/stage_{i}", f"decoder.up_blocks.{STAGES - 1 - i}"
        found += _blocks(a, f"{c}.resnets", blocks + 1, (widths[min(i + 1, STAGES - 1)], width))
        if i < len(DOWN):
            found += conv(f"encoder/down_{i}", f"{b}.downsamplers.0.conv.conv")
        if i > 0:
            found += conv(f"decoder/up_{i - 1}", f"{c}.upsamplers.0.conv.conv")
    return found


BASELINES = {
    "hunyuan": Baseline(
        fields=SHARED | {"channels": 16, "widths": (128, 256, 512, 512), "blocks": 2, "groups": 32},
        build=build,
        mean=(0.0,) * 16,
        std=(1 / SCALING,) * 16,
        layouts={"official": tensors, "diffusers": tensors},
    )
}
