"""IV-VAE (arXiv 2411.06449, the 242M model z16_dim96): t4 s8 c16, two branches side by side.

    encoder   conv, [blocks, down] x 3, attention, [2D block, attention] x 2, middle, head, 1x1x1
    decoder   1x1x1, conv, middle, [2D block, attention] x 3, [up, blocks] x 3, norm, SiLU, conv
    middle    2D block, attention, 2D block          head   norm, SiLU, PAC
    frame 0 and frame 0 of each group of 4   from the 2D half of the decoder's result           (1)
    the other frames                         from the 3D half

Layers: iv_vae_layers.py.  Stages are numbered from the pixels (0) to the latents (3) on both ways.

What depends on what: frame 0 is a group of its own, then come groups of 4 frames, one latent each.
A latent depends on all frames of its group, also on the later of them, and on the groups before; it
depends on no later group.  So does a decoded group on its latent and those before.  Chunks of a
stream are whole groups, so any plan of chunks gives the whole clip's result.

The reference draws a sample always and does not clamp the log-variance; here the posterior clamps
it to [-30, 20] as that of all video VAEs (interface.py).  Its published latents are
0.7619 (z + 0.0483).

Reference: github.com/ali-vilab/iv-vae at 555a35a, models/vae3d.py (``VAutoencoder3d``).
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.layers.causal_conv import CausalConv3D, begins
from pv_vae_jax.models.pv_vae import PVVAE
from pv_vae_jax.zoo.baseline import SHARED, Baseline, Fields, compose
from pv_vae_jax.zoo.iv_vae_layers import (
    DILATIONS,
    PAC,
    SPACE,
    Downsample,
    HalvesAttention,
    HalvesNorm,
    ResidualBlock,
    SepConv,
    SepPoint,
    Upsample,
)
from pv_vae_jax.zoo.torch_weights import Entry, attention, conv, gamma

GROUPS = (4, 4, 2, 0)  # frames of a group in each stage; 0: 2D blocks, each with attention
TIME = (False, True, True)  # whether time is halved between stages i and i + 1
LAST = len(TIME)


def _block(remat: str) -> type[ResidualBlock]:
    return nn.remat(ResidualBlock) if remat == "block" else ResidualBlock


class Stage(nn.Module):
    """Residual blocks of stage ``index``, each followed by attention in the 2D stage."""

    index: int
    features: int
    blocks: int
    lead: int
    dtype: str
    remat: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, 2 features]``."""
        form = self.features, GROUPS[self.index], self.lead, self.dtype
        for i in range(self.blocks):
            x = _block(self.remat)(*form, name=f"block_{i}")(x)
            if not GROUPS[self.index]:
                x = HalvesAttention(self.dtype, name=f"attention_{i}")(x)
        return x


class Middle(nn.Module):
    """A 2D block, attention, a 2D block."""

    features: int
    dtype: str
    remat: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, 2 features]`` to the same shape."""
        form = self.features, 0, 0, self.dtype
        x = _block(self.remat)(*form, name="block_0")(x)
        x = HalvesAttention(self.dtype, name="attention")(x)
        return _block(self.remat)(*form, name="block_1")(x)


class Encoder(nn.Module):
    """Video to moments.

    Attributes:
      channels: latent channels c.
      widths: channels of each half in each stage, from pixels to latents; before them widths[0].
      blocks: residual blocks of each stage.
      dtype: compute type, "float32" or "bfloat16".
      remat: "none", or "block": the backward pass computes each block again from its input.
    """

    channels: int
    widths: tuple[int, ...]
    blocks: int
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        lead = int(begins(self))
        form = {"lead": lead, "dtype": self.dtype}
        x = SepConv(self.widths[0], GROUPS[0], **form, name="conv_in")(video)
        for i, width in enumerate(self.widths):
            x = Stage(i, width, self.blocks, **form, remat=self.remat, name=f"stage_{i}")(x)
            if i < LAST:
                x = Downsample(TIME[i], **form, name=f"down_{i}")(x)
            if i == LAST - 1:
                x = HalvesAttention(self.dtype, name="attention")(x)
        x = Middle(self.widths[-1], self.dtype, self.remat, name="mid")(x)
        x = nn.silu(HalvesNorm(self.dtype, name="norm_out")(x))
        x = PAC(self.channels, self.dtype, name="head")(x)
        x = SepPoint(self.channels, self.dtype, name="quant")(x)
        mean_2d, logvar_2d, mean_3d, logvar_3d = jnp.split(x.astype(jnp.float32), 4, axis=-1)
        return jnp.concatenate([mean_2d, mean_3d, logvar_2d, logvar_3d], axis=-1)


class Decoder(nn.Module):
    """Latents to video; the attributes are those of :class:`Encoder`, one block more a stage."""

    channels: int
    widths: tuple[int, ...]
    blocks: int
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        lead, deep = int(begins(self)), self.widths[-1]
        form = {"lead": lead, "dtype": self.dtype}
        x = SepPoint(self.channels // 2, self.dtype, name="post_quant")(latents)
        x = CausalConv3D(2 * deep, SPACE, dtype=self.dtype, name="conv_in")(x)
        x = Middle(deep, self.dtype, self.remat, name="mid")(x)
        for i in reversed(range(len(self.widths))):
            if i < LAST:
                x = Upsample(TIME[i], **form, name=f"up_{i}")(x)
            stage = i, self.widths[i], self.blocks + 1
            x = Stage(*stage, **form, remat=self.remat, name=f"stage_{i}")(x)
        x = nn.silu(HalvesNorm(self.dtype, name="norm_out")(x))
        x = SepConv(3, GROUPS[0], **form, name="conv_out")(x).astype(jnp.float32)
        frame = jnp.arange(x.shape[1])
        key = ((frame - lead) % GROUPS[0] == 0) | (frame < lead)
        return jnp.where(key.reshape(1, -1, 1, 1, 1), x[..., :3], x[..., 3:])


def build(
    channels: int, width: int, multipliers: tuple[int, ...], blocks: int, **fields: Any
) -> PVVAE:
    """The module.

    Args:
      channels: latent channels, half of them of each branch.
      width: channels of each half at full resolution.
      multipliers: of ``width`` in each stage.
      blocks: residual blocks of each stage of the encoder.
      **fields: ``SHARED``.

    Raises:
      ValueError: a field that does not fit.
    """
    widths = tuple(width * by for by in multipliers)
    if len(widths) != len(GROUPS) or channels % 2 or any(w % 2 for w in widths[1:]):
        raise ValueError(
            f"iv_vae has {len(GROUPS)} multipliers, an even number of latent channels and even "
            f"widths; got {multipliers}, {channels} and {widths}."
        )
    form = channels, widths, blocks, fields["dtype"], fields["remat"]
    spec = LatentSpec(temporal=4, spatial=8, channels=channels)
    # The last convolution is two, one of each half: the 3D one makes three frames of four.
    last_layer = "decoder/conv_out/conv_3d/kernel"
    return compose(Encoder(*form), Decoder(*form), spec, fields, last_layer)


def _sep(ours: str, theirs: str) -> Iterator[Entry]:
    yield from conv(f"{ours}/conv_2d", f"{theirs}.conv_2d", "conv2d")
    yield from conv(f"{ours}/conv_3d", f"{theirs}.conv_3d")


def _attention(ours: str, theirs: str) -> Iterator[Entry]:
    for half in ("2d", "3d"):
        yield from attention(f"{ours}/attention_{half}", f"{theirs}.Attention_{half}")


def _residual(ours: str, theirs: str, group: int, widens: bool = False) -> Iterator[Entry]:
    parts = [("conv_0", "residual.2"), ("conv_1", "residual.6")]
    for mine, other in parts + [("shortcut", "shortcut")] * widens:
        if group:
            yield from _sep(f"{ours}/{mine}", f"{theirs}.{other}")
        else:
            yield from conv(f"{ours}/{mine}", f"{theirs}.{other}.conv", "conv2d")
    yield gamma(f"{ours}/norm_0", f"{theirs}.residual.0")
    yield gamma(f"{ours}/norm_1", f"{theirs}.residual.3")


def _resample(ours: str, theirs: str, time: bool) -> Iterator[Entry]:
    for half in ("2d", "3d"):
        yield from conv(f"{ours}/space_{half}", f"{theirs}.resample_{half}.1", "conv2d")
    if time:
        yield from conv(f"{ours}/time", f"{theirs}.time_conv")


def _middle(side: str) -> Iterator[Entry]:
    yield from _residual(f"{side}/mid/block_0", f"{side}.middle.0", 0)
    yield from _attention(f"{side}/mid/attention", f"{side}.middle.1")
    yield from _residual(f"{side}/mid/block_1", f"{side}.middle.2", 0)


def _stage(side: str, i: int, blocks: int, widens: bool, names: Iterator[str]) -> Iterator[Entry]:
    for j in range(blocks):
        ours = f"{side}/stage_{i}"
        yield from _residual(f"{ours}/block_{j}", next(names), GROUPS[i], widens and j == 0)
        if not GROUPS[i]:
            yield from _attention(f"{ours}/attention_{j}", next(names))


def _numbered(prefix: str) -> Iterator[str]:
    number = 0
    while True:
        yield f"{prefix}.{number}"
        number += 1


def official(fields: Fields) -> Iterator[Entry]:
    """Entries of the state dict of ``VAutoencoder3d``."""
    by, blocks = fields["multipliers"], fields["blocks"]
    yield from _sep("encoder/conv_in", "encoder.conv1")
    names, before = _numbered("encoder.downsamples"), (1, *by)
    for i in range(len(by)):
        yield from _stage("encoder", i, blocks, by[i] != before[i], names)
        if i < LAST:
            yield from _resample(f"encoder/down_{i}", next(names), TIME[i])
        if i == LAST - 1:
            yield from _attention("encoder/attention", next(names))
    yield from _middle("encoder")
    yield gamma("encoder/norm_out", "encoder.head.0")
    for d in (0, *DILATIONS):
        yield from conv(f"encoder/head/pac_{d}", f"encoder.head.2.PAC_{d}.conv", "conv2d")
    yield from conv("encoder/head/fuse", "encoder.head.2.PAC_conv.conv", "conv2d")
    yield from _sep("encoder/quant", "conv1")
    yield from _sep("decoder/post_quant", "conv2")
    yield from conv("decoder/conv_in", "decoder.conv1.conv", "conv2d")
    yield from _middle("decoder")
    names = _numbered("decoder.upsamples")
    for i in reversed(range(len(by))):
        if i < LAST:
            yield from _resample(f"decoder/up_{i}", next(names), TIME[i])
        widens = i < LAST and 2 * by[i] != by[i + 1]
        yield from _stage("decoder", i, blocks + 1, widens, names)
    yield gamma("decoder/norm_out", "decoder.head.0")
    yield from _sep("decoder/conv_out", "decoder.head.2")


BASELINES: dict[str, Baseline] = {
    "iv_vae": Baseline(
        fields=SHARED | {"channels": 16, "width": 96, "multipliers": (1, 2, 4, 4), "blocks": 2},
        build=build,
        mean=(-0.0483,) * 16,
        std=(1 / 0.7619,) * 16,
        layouts={"official": official},
        variants=(
            ({"width": 64}, -0.1553, 1 / 0.9697),
            ({"width": 64, "channels": 8}, -0.0322, 1 / 1.0940),
            ({"width": 64, "channels": 4}, 0.1250, 1 / 1.3196),
        ),
    )
}
