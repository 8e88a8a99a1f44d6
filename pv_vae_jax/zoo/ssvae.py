"""SSVAE: a causal CNN whose resampling layers have shortcuts without parameters, t4s16c48.

    encoder   conv, [3 blocks, down] x 4, 3 blocks, block, attention, block, attention, head
    decoder   conv, block, attention, block, [4 blocks, up] x 4, 4 blocks, head
    head      norm, SiLU, conv

Levels count from the pixels (0) to the latents (4), in the encoder and in the decoder alike: down
and up are those of ssvae_layers.py, of space between levels 0 to 2, of space and time between
levels 2 to 4.  Every convolution stands on copies of frame 0, and on zeros in space.  Nothing
looks ahead in time, and a stream is exact.

Source: zai-org/SSVAE (Apache-2.0), ``ssvae/modules/autoencoding/vae/dc_3dvae.py`` with
``configs/inference.yaml``.
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.layers.attention import FrameAttention
from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.models.cnn import Middle
from pv_vae_jax.models.pv_vae import PVVAE
from pv_vae_jax.models.stack import REMATS, Stack
from pv_vae_jax.zoo.baseline import SHARED, Baseline, Fields, compose
from pv_vae_jax.zoo.ssvae_layers import Down, Up
from pv_vae_jax.zoo.torch_weights import Entry, attention, conv, gamma

TIMES = (1, 1, 2, 2)  # factor of time between levels i and i + 1, from the pixels
BLOCKS = 3  # of a level; one more in the decoder


class Encoder(nn.Module):
    """Video to the moments of the posterior.

    Attributes:
      channels: latent channels c.
      stem: channels of the first convolution.
      widths: of the 5 levels, from the pixels.
      dtype: compute type, "float32" or "bfloat16".
      remat: what the backward pass computes again, a value of the table in models/stack.py.
    """

    channels: int
    stem: int
    widths: tuple[int, ...]
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        form = "replicate", self.dtype, self.remat
        x = CausalConv3D(self.stem, dtype=self.dtype, name="conv_in")(video)
        for i, width in enumerate(self.widths):
            x = Stack(width, BLOCKS, *form, name=f"level_{i}")(x)
            if i < len(TIMES):
                x = Down(self.widths[i + 1], TIMES[i], self.dtype, name=f"down_{i}")(x)
        x = Middle(self.widths[-1], *form, name="mid")(x)
        x = FrameAttention(self.dtype, name="last_attention")(x)
        x = nn.silu(RMSNorm(self.dtype, name="norm_out")(x))
        x = CausalConv3D(2 * self.channels, dtype=self.dtype, name="conv_out")(x)
        return x.astype(jnp.float32)


class Decoder(nn.Module):
    """Latents to video; the attributes are those of :class:`Encoder`, without the stem."""

    widths: tuple[int, ...]
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        form = "replicate", self.dtype, self.remat
        x = CausalConv3D(self.widths[-1], dtype=self.dtype, name="conv_in")(latents)
        x = Middle(self.widths[-1], *form, name="mid")(x)
        for i in reversed(range(len(self.widths))):
            if i < len(TIMES):
                x = Up(self.widths[i], TIMES[i], self.dtype, name=f"up_{i}")(x)
            x = Stack(self.widths[i], BLOCKS + 1, *form, name=f"level_{i}")(x)
        x = nn.silu(RMSNorm(self.dtype, name="norm_out")(x))
        return CausalConv3D(3, dtype=self.dtype, name="conv_out")(x).astype(jnp.float32)


def build(**fields: Any) -> PVVAE:
    """The module of the fields.

    Raises:
      ValueError: the widths are not 5, or the shortcuts do not fit between two of them.
    """
    widths = tuple(fields["widths"])
    if len(widths) != len(TIMES) + 1:
        raise ValueError(f"widths are those of {len(TIMES) + 1} levels; got {widths}.")
    for width, deeper, time in zip(widths, widths[1:], TIMES, strict=False):
        if 4 * time * width % deeper:
            raise ValueError(
                f"the shortcut from {width} to {deeper} channels has no whole groups: choose a "
                f"divisor of {4 * time * width}."
            )
    form = widths, fields["dtype"], fields["remat"]
    return compose(
        Encoder(fields["channels"], fields["stem"], *form),
        Decoder(*form),
        LatentSpec(4, 16, fields["channels"]),
        fields,
        remats=REMATS,
    )


def _block(ours: str, theirs: str, widened: bool = False) -> Iterator[Entry]:
    for i in (0, 1):
        yield gamma(f"{ours}/norm_{i}", f"{theirs}.norm{i + 1}")
        yield from conv(f"{ours}/conv_{i}", f"{theirs}.conv{i + 1}.conv")
    if widened:
        yield from conv(f"{ours}/shortcut", f"{theirs}.nin_shortcut")


def _both(side: str) -> Iterator[Entry]:
    """What encoder and decoder have alike."""
    yield from conv(f"{side}/conv_in", f"{side}.conv_in.conv")
    yield from _block(f"{side}/mid/block_0", f"{side}.mid.0")
    yield from attention(f"{side}/mid/attention", f"{side}.mid.1")
    yield from _block(f"{side}/mid/block_1", f"{side}.mid.2")
    yield gamma(f"{side}/norm_out", f"{side}.out.0")
    yield from conv(f"{side}/conv_out", f"{side}.out.2.conv")


def official(fields: Fields) -> Iterator[Entry]:
    """The tensors of the published file; the decoder's levels count from the latents there."""
    yield from _both("encoder")
    yield from attention("encoder/last_attention", "encoder.mid.3")
    yield from _both("decoder")
    last = len(TIMES)
    for i in range(last + 1):
        for j in range(BLOCKS):
            widened = (i, j) == (0, 0) and fields["stem"] != fields["widths"][0]
            yield from _block(
                f"encoder/level_{i}/block_{j}", f"encoder.down.{i}.block.{j}", widened
            )
        for j in range(BLOCKS + 1):
            yield from _block(f"decoder/level_{i}/block_{j}", f"decoder.up.{last - i}.block.{j}")
    for i, time in enumerate(TIMES):
        name = f"encoder.down.{i}.downsample.conv"
        plain = time == 1
        yield from conv(
            f"encoder/down_{i}/conv",
            name if plain else f"{name}.conv",
            "conv2d" if plain else "conv3d",
        )
        yield from conv(f"decoder/up_{i}/conv", f"decoder.up.{last - 1 - i}.upsample.conv.conv")


# fmt: off
MEAN = (
    -0.1962890625, 0.52734375, -1.3984375, 0.57421875, 0.09326171875, 0.734375, -0.427734375,
    -0.50390625, 0.54296875, 0.0986328125, -0.67578125, 0.15625, 0.9453125, -0.091796875,
    0.2333984375, -0.10986328125, -0.049560546875, 0.74609375, -0.76171875, -0.484375,
    0.2236328125, 0.5390625, 0.2255859375, -0.474609375, -0.126953125, -0.0341796875,
    0.023681640625, -0.0211181640625, -1.015625, -0.60546875, 0.98046875, -0.796875,
    -0.1884765625, -0.4296875, 0.283203125, 0.34375, -0.490234375, 0.021484375, 0.251953125,
    -0.08154296875, -0.5234375, 0.236328125, -0.1826171875, -0.73828125, -0.1796875,
    -0.6015625, 0.34375, -0.74609375,
)
STD = (
    0.69140625, 0.98828125, 2.015625, 1.1640625, 0.64453125, 1.015625, 1.546875, 0.71484375,
    1.359375, 0.96875, 2.0, 0.8828125, 1.40625, 1.046875, 0.85546875, 1.0234375, 0.88671875,
    1.15625, 1.3125, 0.984375, 1.1328125, 1.8046875, 1.21875, 0.98046875, 1.0859375, 0.96875,
    1.046875, 1.0234375, 1.515625, 1.234375, 1.796875, 1.5234375, 1.1015625, 1.1484375,
    0.94140625, 1.1015625, 1.3203125, 1.2265625, 1.359375, 1.09375, 0.953125, 0.73046875,
    0.97265625, 1.265625, 1.1953125, 1.1171875, 0.83203125, 1.4140625,
)
# fmt: on

BASELINES: dict[str, Baseline] = {
    "ssvae": Baseline(
        fields=SHARED | {"channels": 48, "stem": 32, "widths": (64, 128, 256, 512, 512)},
        build=build,
        mean=MEAN,
        std=STD,
        layouts={"official": official},
        ignored=(r"loss\.", r"mask_token"),
    )
}
