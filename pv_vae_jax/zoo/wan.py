"""The VAEs of Wan2.1 and Wan2.2, exactly causal in both directions.

    encoder   patch, conv, [blocks, down] x 3, blocks, middle, norm, SiLU, conv, 1x1x1
    decoder   1x1x1, conv, middle, [blocks, up] x 3, blocks, norm, SiLU, conv, patch back

Every convolution over time has zeros before the clip.  Wan2.2 adds straight paths around its
stages and keeps the width on the way up, where Wan2.1 halves it; what lies between the stages is in
wan_resample.py.  Stages are numbered from the pixels, as in models/cnn.py.

Reference: arXiv 2503.20314, section 4.1; Wan-Video/Wan2.2, wan/modules/vae2_1.py and vae2_2.py;
diffusers, AutoencoderKLWan.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import CausalConv3D, begins
from pv_vae_jax.models.cnn import Middle
from pv_vae_jax.models.pv_vae import PVVAE
from pv_vae_jax.models.stack import REMATS, Stack
from pv_vae_jax.zoo.baseline import SHARED, Baseline, Fields, compose
from pv_vae_jax.zoo.shortcuts import average, duplicate
from pv_vae_jax.zoo.torch_weights import Entry, attention, conv, gamma
from pv_vae_jax.zoo.wan_resample import Downsample, Upsample, patchify, unpatchify

Strides = tuple[tuple[int, int], ...]


class Encoder(nn.Module):
    """Video to the moments of the posterior.

    Attributes:
      channels: latent channels c.
      widths: channels of each stage, from pixels to latents; one more than ``strides``.
      blocks: residual blocks of a stage.
      strides: (time, space) between the stages; space is 2.
      patch: pixels that are channels before the first convolution.
      shortcuts: straight paths around the stages.
      dtype: compute type, "float32" or "bfloat16".
      remat: what the backward pass computes again, a value of the table in models/stack.py.
    """

    channels: int
    widths: tuple[int, ...]
    blocks: int
    strides: Strides
    patch: int = 1
    shortcuts: bool = False
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        first, form = begins(self), {"time_padding": "zeros", "dtype": self.dtype}
        x = patchify(video, self.patch)
        x = CausalConv3D(self.widths[0], **form, name="conv_in")(x)
        for i, width in enumerate(self.widths):
            y = Stack(width, self.blocks, **form, remat=self.remat, name=f"stage_{i}")(x)
            strides = self.strides[i] if i < len(self.strides) else (1, 1)
            if strides[1] > 1:
                y = Downsample(strides[0], self.dtype, name=f"down_{i}")(y, first)
            x = y + average(x, width, strides) if self.shortcuts else y
        x = Middle(self.widths[-1], **form, remat=self.remat, name="mid")(x)
        x = nn.silu(RMSNorm(self.dtype, name="norm_out")(x))
        x = CausalConv3D(2 * self.channels, **form, name="conv_out")(x)
        x = CausalConv3D(2 * self.channels, (1, 1, 1), dtype=self.dtype, name="quant")(x)
        return x.astype(jnp.float32)


class Decoder(nn.Module):
    """Latents to video; the attributes are those of :class:`Encoder`.

    A way up halves the width, but with ``shortcuts`` keeps it.
    """

    channels: int
    widths: tuple[int, ...]
    blocks: int
    strides: Strides
    patch: int = 1
    shortcuts: bool = False
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        first, form = begins(self), {"time_padding": "zeros", "dtype": self.dtype}
        x = CausalConv3D(self.channels, (1, 1, 1), dtype=self.dtype, name="post_quant")(latents)
        x = CausalConv3D(self.widths[-1], **form, name="conv_in")(x)
        x = Middle(self.widths[-1], **form, remat=self.remat, name="mid")(x)
        for i in reversed(range(len(self.widths))):
            width = self.widths[i]
            y = Stack(width, self.blocks, **form, remat=self.remat, name=f"stage_{i}")(x)
            if i:
                strides = self.strides[i - 1]
                features = width if self.shortcuts else width // 2
                y = Upsample(features, strides[0], self.dtype, name=f"up_{i - 1}")(y, first)
                y = y + duplicate(x, width, strides, first) if self.shortcuts else y
            x = y
        x = nn.silu(RMSNorm(self.dtype, name="norm_out")(x))
        x = CausalConv3D(3 * self.patch**2, **form, name="conv_out")(x)
        return unpatchify(x.astype(jnp.float32), self.patch)


def build(**fields: Any) -> PVVAE:
    """The model of such fields (those of ``BASELINES``).

    Raises:
      ValueError: a number of widths that is not one more than that of strides, or as
        :func:`~pv_vae_jax.zoo.baseline.compose`.
    """
    strides = tuple(tuple(stride) for stride in fields["strides"])
    for field in ("encoder_widths", "decoder_widths"):
        if len(fields[field]) != len(strides) + 1:
            raise ValueError(
                f"{len(strides)} strides make {len(strides) + 1} stages, but {field} has "
                f"{len(fields[field])}."
            )
    shared = ("channels", "patch", "shortcuts", "dtype", "remat")
    kwargs = {name: fields[name] for name in shared} | {"strides": strides}
    spec = LatentSpec(
        temporal=math.prod(time for time, _ in strides),
        spatial=fields["patch"] * math.prod(space for _, space in strides),
        channels=fields["channels"],
    )
    encoder, decoder = (
        part(widths=tuple(fields[f"{branch}_widths"]), blocks=fields[f"{branch}_blocks"], **kwargs)
        for branch, part in (("encoder", Encoder), ("decoder", Decoder))
    )
    return compose(encoder, decoder, spec, fields, remats=REMATS)


def _block(ours: str, theirs: str, names: tuple[str, ...], widens: bool) -> Iterator[Entry]:
    """A residual block; ``names`` of norm, convolution, norm, convolution, shortcut."""
    for i, (norm, name) in enumerate((names[:2], names[2:4])):
        yield gamma(f"{ours}/norm_{i}", f"{theirs}.{norm}")
        yield from conv(f"{ours}/conv_{i}", f"{theirs}.{name}")
    if widens:
        yield from conv(f"{ours}/shortcut", f"{theirs}.{names[4]}")


def _official_layer(fields: Fields, branch: str, place: int, j: int) -> str:
    way = {"encoder": "downsamples", "decoder": "upsamples"}[branch]
    if fields["shortcuts"]:
        return f"{branch}.{way}.{place}.{way}.{j}"
    return f"{branch}.{way}.{place * (fields[f'{branch}_blocks'] + 1) + j}"


def _diffusers_layer(fields: Fields, branch: str, place: int, j: int) -> str:
    way = {"encoder": "down", "decoder": "up"}[branch]
    blocks = fields[f"{branch}_blocks"]
    if branch == "encoder" and not fields["shortcuts"]:
        return f"encoder.down_blocks.{place * (blocks + 1) + j}"
    resampler = f"{way}sampler" if fields["shortcuts"] else "upsamplers.0"
    return f"{branch}.{way}_blocks.{place}.{f'resnets.{j}' if j < blocks else resampler}"


def _entries(
    fields: Fields,
    layer: Callable[[Fields, str, int, int], str],
    block: tuple[str, ...],
    middle: tuple[str, ...],
    conv_in: str,
    norm_out: str,
    conv_out: str,
    quants: tuple[str, str],
) -> Iterator[Entry]:
    """All tensors, given the names of a layout; ``layer`` names the j-th layer of a stage."""
    yield from conv("encoder/quant", quants[0])
    yield from conv("decoder/post_quant", quants[1])
    last = len(fields["strides"])
    for branch in ("encoder", "decoder"):
        yield from conv(f"{branch}/conv_in", f"{branch}.{conv_in}")
        for j in range(2):
            theirs = f"{branch}.{middle[2 * j]}"
            yield from _block(f"{branch}/mid/block_{j}", theirs, block, False)
        yield from attention(f"{branch}/mid/attention", f"{branch}.{middle[1]}")
        yield gamma(f"{branch}/norm_out", f"{branch}.{norm_out}")
        yield from conv(f"{branch}/conv_out", f"{branch}.{conv_out}")
        for stage, (before, width) in enumerate(_ways(fields, branch)):
            place = stage if branch == "encoder" else last - stage
            blocks = fields[f"{branch}_blocks"]
            for j in range(blocks):
                ours, theirs = f"{branch}/stage_{stage}/block_{j}", layer(fields, branch, place, j)
                yield from _block(ours, theirs, block, j == 0 and before != width)
            if place < last:
                between = stage if branch == "encoder" else stage - 1
                ours = f"{branch}/{'down' if branch == 'encoder' else 'up'}_{between}"
                theirs = layer(fields, branch, place, blocks)
                yield from conv(f"{ours}/space", f"{theirs}.resample.1", "conv2d")
                if fields["strides"][between][0] > 1:
                    yield from conv(f"{ours}/time", f"{theirs}.time_conv")


def _ways(fields: Fields, branch: str) -> list[tuple[int, int]]:
    """The width that comes into each stage, and the stage's own."""
    widths = tuple(fields[f"{branch}_widths"])
    if branch == "encoder":
        return list(zip(widths[:1] + widths[:-1], widths, strict=True))
    kept = 1 if fields["shortcuts"] else 2
    return list(zip([*(w // kept for w in widths[1:]), widths[-1]], widths, strict=True))


def official(fields: Fields) -> Iterator[Entry]:
    """The names of Wan2.1_VAE.pth and Wan2.2_VAE.pth."""
    block = ("residual.0", "residual.2", "residual.3", "residual.6", "shortcut")
    middle = ("middle.0", "middle.1", "middle.2")
    ends = ("conv1", "head.0", "head.2", ("conv1", "conv2"))
    return _entries(fields, _official_layer, block, middle, *ends)


def diffusers(fields: Fields) -> Iterator[Entry]:
    """The names of diffusers' AutoencoderKLWan: without straight paths flat, with them nested."""
    block = ("norm1", "conv1", "norm2", "conv2", "conv_shortcut")
    middle = ("mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1")
    ends = ("conv_in", "norm_out", "conv_out", ("quant_conv", "post_quant_conv"))
    return _entries(fields, _diffusers_layer, block, middle, *ends)


LAYOUTS = {"official": official, "diffusers": diffusers}

WAN21_FIELDS = SHARED | {
    "channels": 16,
    "encoder_widths": (96, 192, 384, 384),
    "decoder_widths": (96, 192, 384, 384),
    "encoder_blocks": 2,
    "decoder_blocks": 3,
    "strides": ((1, 2), (2, 2), (2, 2)),
    "patch": 1,
    "shortcuts": False,
}
WAN22_FIELDS = WAN21_FIELDS | {
    "channels": 48,
    "encoder_widths": (160, 320, 640, 640),
    "decoder_widths": (256, 512, 1024, 1024),
    "patch": 2,
    "shortcuts": True,
}

WAN21_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517,
    -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
WAN21_STD = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579,
    1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip
WAN22_MEAN = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813,
    0.0891, 0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108,
    -0.2158, 0.2502, -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313,
    -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944,
    0.3573, -0.0548, -0.1681, -0.0667,
)  # fmt: skip
WAN22_STD = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
    0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
    0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)  # fmt: skip

BASELINES: dict[str, Baseline] = {
    "wan2.1": Baseline(WAN21_FIELDS, build, WAN21_MEAN, WAN21_STD, LAYOUTS),
    "wan2.2": Baseline(WAN22_FIELDS, build, WAN22_MEAN, WAN22_STD, LAYOUTS),
}
