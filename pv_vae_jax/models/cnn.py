"""The CNN encoder and decoder.

    encoder   patch, conv, [blocks, down] ..., blocks, middle, head, conv, 1x1x1
    decoder   1x1x1, conv, middle, blocks, [up, blocks] ..., head, conv, patch back
    middle    block, attention within each frame, block
    head      norm, SiLU; or nothing ("linear"), so that a straight path leads through the model
              to the mean; the log-variance is of normed features always, so that it is bounded

Stages are numbered from the pixels (0) to the latents (n), in the encoder and in the decoder alike:
``widths[i]`` and ``blocks[i]`` belong to stage i, ``strides[i]`` (time, space) lies between stages
i and i + 1.  Reference: arXiv 2605.02134, section 3.2 (time before space alone in the encoder).

    encoder = low o high,    decoder = high o low                                           (1)

``low`` has the rows and columns of the latents: the last stage and the middle, whose attention is
of whole frames.  ``high`` is convolutions, so that a result of it depends on its surroundings
alone, as far as ``reach``: large frames run through it in tiles, exactly (tiled_vae.py).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.attention import FrameAttention
from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.resample import Downsample, Upsample, shuffle, unshuffle
from pv_vae_jax.models import reach
from pv_vae_jax.models.stack import Stack, residual_block

PAPER_STRIDES = ((2, 2), (2, 2), (1, 2), (1, 2))
HEADS = ("norm", "linear")
MIDDLE = 5  # later latents that the two blocks of the middle and the first convolution see


class Middle(nn.Module):
    """A residual block, attention within each frame, a residual block."""

    features: int
    time_padding: str
    dtype: str
    remat: str
    causal: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, t, h, w, C]`` to the same shape."""
        form = self.features, self.time_padding, self.dtype, self.causal
        x = residual_block(self.remat, *form, name="block_0")(x)
        x = FrameAttention(self.dtype, name="attention")(x)
        return residual_block(self.remat, *form, name="block_1")(x)


class Encoder(nn.Module):
    """Video to the moments of the posterior.

    Attributes:
      channels: latent channels c.
      widths: channels of each stage, from pixels to latents; one more than ``strides``.
      blocks: residual blocks of each stage.
      strides: (time, space) between the stages.
      patch: pixels unshuffled into channels before the first convolution.
      time_padding: "replicate" or "zeros".
      head: "norm", as the public video VAEs; "linear" learns several times faster in a small model
        (docs/choices.md), but bears only small learning rates.
      dtype: compute type, "float32" or "bfloat16".
      remat: what the backward pass computes again, a value of the table in stack.py.
      scan: residual blocks of one shape are a loop.
    """

    channels: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    strides: tuple[tuple[int, int], ...] = PAPER_STRIDES
    patch: int = 1
    head: str = "norm"
    time_padding: str = "replicate"
    dtype: str = "float32"
    remat: str = "none"
    scan: bool = False

    def setup(self):
        """Makes the layers."""
        form = {"time_padding": self.time_padding, "dtype": self.dtype}
        repeated = {"remat": self.remat, "scan": self.scan}
        self.conv_in = CausalConv3D(self.widths[0], **form)
        for i, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            setattr(self, f"stage_{i}", Stack(width, blocks, **form, **repeated))
        for i, strides in enumerate(self.strides):
            setattr(self, f"down_{i}", Downsample(strides, **form))
        self.mid = Middle(self.widths[-1], **form, remat=self.remat)
        self.norm_out = RMSNorm(self.dtype)
        moments = 2 * self.channels if self.head == "norm" else self.channels
        self.conv_out = CausalConv3D(moments, **form)
        self.quant = CausalConv3D(moments, (1, 1, 1), dtype=self.dtype)
        if self.head == "linear":
            self.conv_logvar = CausalConv3D(self.channels, **form)

    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        return self.low(self.high(video))

    def high(self, video: jax.Array) -> jax.Array:
        """Equation (1): ``[B, T, H, W, 3]`` to features ``[B, G, h, w, C]``."""
        x = self.conv_in(unshuffle(video, self.patch))
        for i in range(len(self.strides)):
            x = getattr(self, f"down_{i}")(getattr(self, f"stage_{i}")(x))
        return x

    def low(self, x: jax.Array) -> jax.Array:
        """Equation (1): features ``[B, G, h, w, C]`` to moments ``[B, G, h, w, 2c]``, float32."""
        x = self.mid(getattr(self, f"stage_{len(self.strides)}")(x))
        normed = nn.silu(self.norm_out(x))
        if self.head == "norm":
            return self.quant(self.conv_out(normed)).astype(jnp.float32)
        mean, logvar = self.quant(self.conv_out(x)), self.conv_logvar(normed)
        return jnp.concatenate([mean, logvar], axis=-1).astype(jnp.float32)

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows of latents a feature of ``high`` sees before and behind its own pixels."""
        return reach.of_encoder(self.strides, self.blocks[:-1])


class Decoder(nn.Module):
    """Latents to video; the attributes are those of :class:`Encoder`, and one more.

    Attributes:
      causal: no frame depends on a later latent; False for convolutions that see as much future as
        past (:func:`lookahead` latents in all), for infilling.
    """

    channels: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    strides: tuple[tuple[int, int], ...] = PAPER_STRIDES
    patch: int = 1
    head: str = "norm"
    time_padding: str = "replicate"
    dtype: str = "float32"
    remat: str = "none"
    scan: bool = False
    causal: bool = True

    def setup(self):
        """Makes the layers."""
        form = {"time_padding": self.time_padding, "dtype": self.dtype, "causal": self.causal}
        repeated = {"remat": self.remat, "scan": self.scan}
        self.post_quant = CausalConv3D(self.channels, (1, 1, 1), dtype=self.dtype)
        self.conv_in = CausalConv3D(self.widths[-1], **form)
        self.mid = Middle(self.widths[-1], **form, remat=self.remat)
        for i, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            setattr(self, f"stage_{i}", Stack(width, blocks, **form, **repeated))
        for i, strides in enumerate(self.strides):
            setattr(self, f"up_{i}", Upsample(strides, **form))
        if self.head == "norm":
            self.norm_out = RMSNorm(self.dtype)
        self.conv_out = CausalConv3D(3 * self.patch**2, **form)

    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        return self.high(self.low(latents))

    def low(self, latents: jax.Array) -> jax.Array:
        """Equation (1): ``[B, G, h, w, c]`` to features ``[B, G, h, w, C]``."""
        x = self.mid(self.conv_in(self.post_quant(latents)))
        return getattr(self, f"stage_{len(self.strides)}")(x)

    def high(self, x: jax.Array) -> jax.Array:
        """Equation (1): features ``[B, G, h, w, C]`` to video ``[B, T, H, W, 3]``, float32."""
        for i in reversed(range(len(self.strides))):
            x = getattr(self, f"stage_{i}")(getattr(self, f"up_{i}")(x))
        if self.head == "norm":
            x = nn.silu(self.norm_out(x))
        return shuffle(self.conv_out(x).astype(jnp.float32), self.patch)

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows of features the pixels of one see before and behind it, in ``high``."""
        return reach.of_decoder(self.strides, self.blocks[:-1])


def lookahead(
    blocks: tuple[int, ...], strides: tuple[tuple[int, int], ...], middle: int = MIDDLE
) -> int:
    """How many later latents the last frame of a group depends on in a decoder without causality.

    From the pixels back to the latents: 1 frame further for each convolution over time, then the
    frame of the lower rate that a frame of the higher one repeats.
    """
    reach = 1 + 2 * blocks[0]
    for (time, _), more in zip(strides, blocks[1:], strict=True):
        reach = -(-(reach + 1) // time) + 2 * more
    return reach + middle
