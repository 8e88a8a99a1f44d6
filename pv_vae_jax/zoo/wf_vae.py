"""WF-VAE-L: wavelets carry the low frequencies past the CNN, t4s8c16.

    encoder   e1 = W3(video),  e2 = W2(low of e1),  e3 = W3(low of e2)     low: the first 3 channels
              conv(e1), 2 frame blocks, down, [., conv(e2)],
              conv, 2 blocks, down, [., conv(e3)], block, attention, block, head
    decoder   conv, block, attention, block, whose last channels: block, conv, d3
              2 blocks, up, block, whose last channels: block, conv, d2;  low of d2 += W3^-1(d3)
              2 blocks, up of frames, 3 blocks, head, d1;                 low of d1 += W2^-1(d2)
              video = W3^-1(d1)
    head      LN, SiLU, conv

W2 and W3 are the wavelets of haar.py, blocks and up those of wf_vae_layers.py; the up of frames is
nearest x2.  Convolutions stand on copies of frame 0, and on zeros in space.

The encoder is causal.  The decoder looks 1 latent ahead, because its up is linear in time: the last
2 frames of a group need the next latent.  In a stream they wait for it, and a chunk of no latents
ends the stream with them (1 + n latents and the end: 4n - 1 frames and 2, or 1 and 0 where n = 0).

Source: PKU-YuanGroup/WF-VAE (Apache-2.0), ``causalvideovae/model/vae/modeling_wfvae.py`` with
``examples/wfvae-large-16chn.json``.  Its latents are not normalised.
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.layers.resample import nearest
from pv_vae_jax.models.pv_vae import PVVAE
from pv_vae_jax.zoo import haar, wf_vae_layers
from pv_vae_jax.zoo.baseline import SHARED, Baseline, Fields, compose
from pv_vae_jax.zoo.haar import Haar3D, InverseHaar3D
from pv_vae_jax.zoo.torch_weights import Entry, affine, conv
from pv_vae_jax.zoo.wf_vae_layers import CLIP, FRAME, Delay, Interpolation, LayerNorm, Middle

BLOCKS = 2  # in a row, of one width
LOW = 3  # channels of the lowest frequencies: red, green, blue
COEFFICIENTS = {1: 24, 2: 12, 3: 24}  # channels of d1, d2, d3


class Encoder(nn.Module):
    """Video to the moments of the posterior.

    Attributes:
      channels: latent channels c.
      width: channels at half the clip's size; twice and four times as many further down.
      energy: channels in which e2 and e3 come in.
      dtype: compute type, "float32" or "bfloat16".
      remat: "none", or "block" for blocks computed again in the backward pass.
    """

    channels: int
    width: int
    energy: int
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        conv, block = wf_vae_layers.of(self.dtype, self.remat)
        e1 = Haar3D(name="haar_1")(video.astype(jnp.float32))
        e2 = haar.transform(e1[..., :LOW], haar.FRAMES)
        e3 = Haar3D(name="haar_3")(e2[..., :LOW])
        x = conv(self.width, FRAME, name="conv_in")(e1)
        for i in range(BLOCKS):
            x = block(self.width, kernel=FRAME, name=f"level_1_block_{i}")(x)
        x = conv(self.width, FRAME, (1, 2), name="down_1")(x)
        x = jnp.concatenate([x, conv(self.energy, FRAME, name="connect_2")(e2)], axis=-1)
        x = conv(2 * self.width, FRAME, name="conv_2")(x)
        for i in range(BLOCKS):
            x = block(2 * self.width, name=f"level_2_block_{i}")(x)
        x = conv(2 * self.width, CLIP, (2, 2), name="down_2")(x)
        x = jnp.concatenate([x, conv(self.energy, FRAME, name="connect_3")(e3)], axis=-1)
        x = Middle((4 * self.width,) * 2, self.dtype, self.remat, name="mid")(x)
        x = nn.silu(LayerNorm(self.dtype, name="norm_out")(x))
        return conv(2 * self.channels, name="conv_out")(x).astype(jnp.float32)


def _plus_low(coefficients: jax.Array, low: jax.Array) -> jax.Array:
    """Adds to the lowest frequencies, in float32."""
    more = coefficients.shape[-1] - LOW
    return coefficients.astype(jnp.float32) + jnp.pad(low, [(0, 0)] * 4 + [(0, more)])


class Decoder(nn.Module):
    """Latents to video; ``width`` and the others as in :class:`Encoder`."""

    width: int
    energy: int
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped.

        In a stream the last 2 frames wait, and G = 0 asks for them.
        """
        conv, block = wf_vae_layers.of(self.dtype, self.remat)
        b, groups, h, w, _ = latents.shape
        wide = 4 * self.width
        if groups:
            x = conv(wide, name="conv_in")(latents)
            x = Middle((wide, wide + self.energy), self.dtype, self.remat, name="mid")(x)
            x, low = x[..., :wide], self._coefficients(3, x[..., wide:])
            low = InverseHaar3D(name="haar_3")(low)
            for i in range(BLOCKS):
                x = block(wide, name=f"level_3_block_{i}")(x)
        else:
            x = jnp.zeros((b, 0, h, w, wide), compute_dtype(self.dtype))
            low = jnp.zeros((b, 0, 2 * h, 2 * w, LOW))
        x, low = Interpolation(name="interpolation")(x), Delay(name="delay")(low)
        if not x.shape[1]:
            return jnp.zeros((b, 0, 8 * h, 8 * w, LOW))
        x = conv(wide, spread=True, name="up_2")(x)
        x = block(wide + self.energy, name="level_2_block_0")(x)
        x, d2 = x[..., :wide], self._coefficients(2, x[..., wide:])
        low = haar.inverse(_plus_low(d2, low), haar.FRAMES)
        for i in range(BLOCKS):
            x = block(2 * self.width, name=f"level_2_block_{i + 1}")(x)
        x = nearest(x, 1, 2, False)
        x = conv(2 * self.width, FRAME, spread=True, name="up_1")(x)
        for i, width in enumerate((2 * self.width, self.width, self.width)):
            x = block(width, name=f"level_1_block_{i}")(x)
        x = nn.silu(LayerNorm(self.dtype, name="norm_out")(x))
        d1 = conv(COEFFICIENTS[1], FRAME, name="conv_out")(x)
        return InverseHaar3D(name="haar_1")(_plus_low(d1, low))

    def _coefficients(self, level: int, x: jax.Array) -> jax.Array:
        """d3 or d2, float32."""
        conv, block = wf_vae_layers.of(self.dtype, self.remat)
        x = block(self.energy, name=f"connect_{level}_block")(x)
        return conv(COEFFICIENTS[level], FRAME, name=f"connect_{level}")(x).astype(jnp.float32)


def build(**fields: Any) -> PVVAE:
    """The module of the fields; ValueError as :func:`~pv_vae_jax.zoo.baseline.compose`."""
    form = fields["dtype"], fields["remat"]
    return compose(
        Encoder(fields["channels"], fields["width"], fields["encoder_energy"], *form),
        Decoder(fields["width"], fields["decoder_energy"], *form),
        LatentSpec(4, 8, fields["channels"], decoder_lookahead=1),
        fields,
    )


def _block(ours: str, theirs: str, causal: str = ".conv", shortcut: bool = False):
    """``causal``: what their causal convolutions have behind the name, "" where a frame's."""
    form = "conv3d" if causal else "conv2d"
    for i in (0, 1):
        yield from affine(f"{ours}/norm_{i}", f"{theirs}.norm{i + 1}.norm")
        yield from conv(f"{ours}/conv_{i}", f"{theirs}.conv{i + 1}{causal}", form)
    if shortcut:
        yield from conv(f"{ours}/shortcut", f"{theirs}.nin_shortcut{causal}", form)


def _both(side: str) -> Iterator[Entry]:
    """What encoder and decoder have alike: the middle, of which one block widens, and the norm."""
    yield from _block(f"{side}/mid/block_0", f"{side}.mid.0", shortcut=side == "encoder")
    yield from affine(f"{side}/mid/attention/norm", f"{side}.mid.1.norm.norm")
    names = {"query": "q", "key": "k", "value": "v", "out": "proj_out"}
    for ours, theirs in names.items():
        yield from conv(f"{side}/mid/attention/{ours}", f"{side}.mid.1.{theirs}.conv")
    yield from _block(f"{side}/mid/block_1", f"{side}.mid.2", shortcut=side == "decoder")
    yield from affine(f"{side}/norm_out", f"{side}.norm_out.norm")


def official(fields: Fields) -> Iterator[Entry]:
    """The tensors of the published file, but for the wavelets' filters."""
    yield from _both("encoder")
    yield from conv("encoder/conv_in", "encoder.down1.0", "conv2d")
    yield from conv("encoder/down_1", "encoder.down1.3.conv", "conv2d")
    yield from conv("encoder/conv_2", "encoder.down2.0", "conv2d")
    yield from conv("encoder/down_2", "encoder.down2.3.conv.conv")
    yield from conv("encoder/conv_out", "encoder.conv_out.conv")
    for i in range(BLOCKS):
        yield from _block(f"encoder/level_1_block_{i}", f"encoder.down1.{i + 1}", causal="")
        yield from _block(f"encoder/level_2_block_{i}", f"encoder.down2.{i + 1}")
        yield from _block(f"decoder/level_3_block_{i}", f"decoder.up2.{i}")
        yield from _block(f"decoder/level_2_block_{i + 1}", f"decoder.up1.{i}", shortcut=i == 0)
        yield from _block(f"decoder/level_1_block_{i + 1}", f"decoder.layer.{i}", shortcut=i == 0)
    for ours, theirs in ((2, "connect_l1"), (3, "connect_l2")):
        yield from conv(f"encoder/connect_{ours}", f"encoder.{theirs}", "conv2d")
        yield from _block(f"decoder/connect_{ours}_block", f"decoder.{theirs}.0")
        yield from conv(f"decoder/connect_{ours}", f"decoder.{theirs}.1", "conv2d")
    yield from _both("decoder")
    yield from conv("decoder/conv_in", "decoder.conv_in.conv")
    yield from conv("decoder/up_2", "decoder.up2.2.conv.conv")
    yield from _block("decoder/level_2_block_0", "decoder.up2.3", shortcut=True)
    yield from conv("decoder/up_1", "decoder.up1.2.conv", "conv2d")
    yield from _block("decoder/level_1_block_0", "decoder.up1.3")
    yield from conv("decoder/conv_out", "decoder.conv_out", "conv2d")


BASELINES: dict[str, Baseline] = {
    "wf_vae_l": Baseline(
        fields=SHARED
        | {"channels": 16, "width": 192, "encoder_energy": 128, "decoder_energy": 128},
        build=build,
        mean=(0.0,) * 16,
        std=(1.0,) * 16,
        layouts={"official": official},
        ignored=(
            r"encoder\.wavelet_transform_(in|l1|l2)\.",
            r"decoder\.inverse_wavelet_transform_(out|l1|l2)\.",
        ),
    )
}
