"""The CogVideoX video VAE, t4s8c16.

    encoder   conv, [3 blocks, down] x 3, 3 blocks, 2 blocks, norm, SiLU, conv
    decoder   conv, 2 blocks, [4 blocks, up] x 3, 4 blocks, norm, SiLU, conv

The norms of the decoder see the latents (cogvideox_layers.py).  Time is halved by the first two
downs and doubled by the first two ups, so the decoder is not the mirror of the encoder.  Stages are
numbered from the pixels in both.

The reference encodes 8 frames at a time and decodes 2 latents at a time, the remainder with the
first, and its norms see one chunk:

    T = 1, 5, 9, 13, 17, 21   encoded in chunks of   1 | 5 | 9 | 13 | 9, 8 | 13, 8      frames
    G = 1, 2, 3,  4,  5,  6   decoded in chunks of   1 | 2 | 3 | 2, 2 | 3, 2 | 2, 2, 2  latents

So a latent depends on all frames of its chunk and on none of a later one; a decoded group depends
on up to 2 later latents.  For an even G the reference decodes 4 G frames, the first 4 of them equal
(the first latent's): here the last 1 + 4 (G - 1) of them.  In a stream one call is one chunk.

Reference: Yang et al., "CogVideoX", arXiv 2408.06072; AutoencoderKLCogVideoX of diffusers 0.42.1.
"""

from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.layers.causal_conv import CausalConv3D, begins, is_streaming
from pv_vae_jax.models.pv_vae import PVVAE
from pv_vae_jax.models.streaming import encoded_chunks, reference_chunks
from pv_vae_jax.zoo import torch_weights
from pv_vae_jax.zoo.baseline import SHARED, Baseline, Fields, compose
from pv_vae_jax.zoo.cogvideox_layers import Blocks, ChunkNorm, Chunks, Downsample, Upsample
from pv_vae_jax.zoo.torch_weights import Entry

CHUNK = 2  # latent steps
TIMES = (2, 2, 1)  # time strides in the order of the data, of downs and of ups
TEMPORAL = 4


class Encoder(nn.Module):
    """Video to the moments of the posterior.

    Attributes:
      channels: latent channels c.
      widths: channels of each of the 4 stages, from pixels to latents.
      blocks: residual blocks of each stage.
      groups: of the norms.
      dtype: compute type, "float32" or "bfloat16".
      remat: "none", or "block": the backward pass computes each block again.
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
        opens = begins(self)
        steps = -(-video.shape[1] // TEMPORAL)
        in_stream = is_streaming(self) or not opens
        first = steps if in_stream else encoded_chunks(steps, CHUNK)[0]
        chunks = Chunks(first, CHUNK, opens, rate=TEMPORAL)
        form = {"groups": self.groups, "dtype": self.dtype}
        x = CausalConv3D(self.widths[0], dtype=self.dtype, name="conv_in")(video)
        for i, width in enumerate(self.widths):
            stage = Blocks(width, self.blocks, chunks, **form, remat=self.remat, name=f"stage_{i}")
            x = stage(x)
            if i < len(TIMES):
                x = Downsample(TIMES[i], chunks, self.dtype, name=f"down_{i}")(x)
                chunks = chunks.at(chunks.rate // TIMES[i])
        x = Blocks(self.widths[-1], 2, chunks, **form, remat=self.remat, name="mid")(x)
        x = nn.silu(ChunkNorm(chunks, **form, name="norm_out")(x))
        x = CausalConv3D(2 * self.channels, dtype=self.dtype, name="conv_out")(x)
        return x.astype(jnp.float32)


class Decoder(nn.Module):
    """Latents to video; the attributes are those of :class:`Encoder`."""

    widths: tuple[int, ...]
    blocks: int
    groups: int
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        opens = begins(self)
        in_stream = is_streaming(self) or not opens
        first = z.shape[1] if in_stream else reference_chunks(z.shape[1], CHUNK)[0]
        chunks = Chunks(first, CHUNK, opens, copies=opens and first % 2 == 0)
        form = {"groups": self.groups, "dtype": self.dtype}
        x = CausalConv3D(self.widths[-1], dtype=self.dtype, name="conv_in")(z)
        x = Blocks(self.widths[-1], 2, chunks, **form, remat=self.remat, name="mid")(x, z)
        for i, width in reversed(list(enumerate(self.widths))):
            stage = Blocks(width, self.blocks, chunks, **form, remat=self.remat, name=f"stage_{i}")
            x = stage(x, z)
            if i > 0:
                time = TIMES[len(TIMES) - i]
                x = Upsample(time, chunks, self.dtype, name=f"up_{i - 1}")(x)
                chunks = chunks.at(chunks.rate * time)
        x = nn.silu(ChunkNorm(chunks, **form, name="norm_out")(x, z))
        return CausalConv3D(3, dtype=self.dtype, name="conv_out")(x).astype(jnp.float32)


def build(**fields) -> PVVAE:
    """The module of ``fields``; ValueError if one does not fit."""
    widths, groups = tuple(fields["widths"]), fields["groups"]
    if len(widths) != 1 + len(TIMES) or any(width % groups for width in widths):
        raise ValueError(
            f"widths are those of {1 + len(TIMES)} stages, multiples of the {groups} groups of the "
            f"norms; got {list(widths)}."
        )
    form = {"groups": groups, "dtype": fields["dtype"], "remat": fields["remat"]}
    return compose(
        Encoder(fields["channels"], widths, fields["encoder_blocks"], **form),
        Decoder(widths, fields["decoder_blocks"], **form),
        LatentSpec(
            temporal=TEMPORAL,
            spatial=2 ** len(TIMES),
            channels=fields["channels"],
            encoder_causal=False,
            decoder_lookahead=CHUNK,
            streaming="reference_chunks",
            reference_chunk=CHUNK,
        ),
        fields,
    )


DIFFUSERS = {
    "encoder": "encoder.down_blocks.{stage}.resnets.{block}",
    "decoder": "decoder.up_blocks.{from_latents}.resnets.{block}",
    "mid": "{half}.mid_block.resnets.{block}",
    "shortcut": "conv_shortcut",
    "down": "encoder.down_blocks.{stage}.downsamplers.0.conv",
    "up": "decoder.up_blocks.{from_latents}.upsamplers.0.conv",
}
OFFICIAL = {
    "encoder": "encoder.down.{stage}.block.{block}",
    "decoder": "decoder.up.{stage}.block.{block}",
    "mid": "{half}.mid.block_{block_from_1}",
    "shortcut": "nin_shortcut",
    "down": "encoder.down.{stage}.downsample.conv",
    "up": "decoder.up.{stage}.upsample.conv",
}


def _norm(ours: str, theirs: str, half: str) -> Iterator[Entry]:
    if half == "encoder":
        yield from torch_weights.affine(ours, theirs)
        return
    yield from torch_weights.affine(ours, f"{theirs}.norm_layer")
    for name in ("conv_y", "conv_b"):
        yield from torch_weights.conv(f"{ours}/{name}", f"{theirs}.{name}.conv")


def _block(ours: str, theirs: str, half: str) -> Iterator[Entry]:
    for i in range(2):
        yield from _norm(f"{half}/{ours}/norm_{i}", f"{theirs}.norm{i + 1}", half)
        yield from torch_weights.conv(f"{half}/{ours}/conv_{i}", f"{theirs}.conv{i + 1}.conv")


def _half(fields: Fields, names: dict[str, str], half: str) -> Iterator[Entry]:
    """The tensors of the encoder or the decoder."""
    widths = fields["widths"]
    last = len(widths) - 1
    for name in ("conv_in", "conv_out"):
        yield from torch_weights.conv(f"{half}/{name}", f"{half}.{name}.conv")
    yield from _norm(f"{half}/norm_out", f"{half}.norm_out", half)
    for j in range(2):
        theirs = names["mid"].format(half=half, block=j, block_from_1=j + 1)
        yield from _block(f"mid/block_{j}", theirs, half)
    for i in range(len(widths)):
        place = {"stage": i, "from_latents": last - i}
        for j in range(fields[f"{half}_blocks"]):
            theirs = names[half].format(**place, block=j)
            yield from _block(f"stage_{i}/block_{j}", theirs, half)
        before = max(i - 1, 0) if half == "encoder" else min(i + 1, last)
        if widths[before] != widths[i]:
            theirs = f"{names[half].format(**place, block=0)}.{names['shortcut']}"
            yield from torch_weights.conv(f"{half}/stage_{i}/block_0/shortcut", theirs)
        if half == "encoder" and i < last:
            theirs = names["down"].format(**place)
            yield from torch_weights.conv(f"encoder/down_{i}/conv", theirs, "conv2d")
        if half == "decoder" and i > 0:
            theirs = names["up"].format(**place)
            yield from torch_weights.conv(f"decoder/up_{i - 1}/conv", theirs, "conv2d")


def _diffusers(fields: Fields) -> list[Entry]:
    """Names of AutoencoderKLCogVideoX."""
    return [*_half(fields, DIFFUSERS, "encoder"), *_half(fields, DIFFUSERS, "decoder")]


def _official(fields: Fields) -> list[Entry]:
    """Names of ContextParallelEncoder3D and ContextParallelDecoder3D."""
    return [*_half(fields, OFFICIAL, "encoder"), *_half(fields, OFFICIAL, "decoder")]


def _baseline(scaling_factor: float) -> Baseline:
    published = {
        "channels": 16,
        "widths": (128, 256, 256, 512),
        "encoder_blocks": 3,
        "decoder_blocks": 4,
        "groups": 32,
    }
    return Baseline(
        fields=SHARED | published,
        build=build,
        mean=(0.0,) * published["channels"],
        std=(1 / scaling_factor,) * published["channels"],
        layouts={"diffusers": _diffusers, "official": _official},
        ignored=(r"loss\.",),
    )


BASELINES: dict[str, Baseline] = {
    "cogvideox_2b": _baseline(1.15258426),
    "cogvideox_5b": _baseline(0.7),
}
