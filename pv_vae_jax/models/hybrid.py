"""The hybrid encoder and decoder: convolutions near the pixels, a Transformer at the latents.

    encoder   patch, conv, [blocks, down] ..., matrix, Transformer blocks, moments (moments.py)
    decoder   matrix, Transformer blocks, matrix, [up, blocks] ..., head, conv, patch back
    head      norm, SiLU; or nothing ("linear")

The convolutional stages are those of cnn.py, numbered from the pixels (0): ``widths[i]`` channels
and ``stages[i]`` residual blocks belong to stage i, ``strides[i]`` (time, space) leads from it
towards the latents.  The Transformer blocks are those of transformer.py: at the size of the latents
each of them sees whole frames, where one more convolution would see 3 x 3 places.

    encoder = low o high,    decoder = high o low                                           (1)

``low`` has the rows and columns of the latents, and its attention is of whole frames.  ``high`` is
convolutions: a result of it depends on its surroundings alone, as far as ``reach``.
Reference: arXiv 2605.02134, section 3.2 (hybrids are named as a direction; all of this is ours).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.multi_head import dense
from pv_vae_jax.layers.resample import Downsample, Upsample, shuffle, unshuffle
from pv_vae_jax.models import cnn, reach
from pv_vae_jax.models.moments import Moments
from pv_vae_jax.models.stack import Stack


class Encoder(nn.Module):
    """Video to the moments of the posterior.

    Attributes:
      channels: latent channels c.
      width: channels of a token.
      widths: channels of each stage, from the pixels.
      stages: residual blocks of each stage.
      strides: (time, space) behind each stage.
      patch: pixels unshuffled into channels before the first convolution.
      blocks: :class:`~pv_vae_jax.models.transformer_blocks.Blocks`.
      head: "norm", or "linear", which learns several times faster in a small model.
      time_padding: "replicate" or "zeros".
      dtype: compute type, "float32" or "bfloat16"; the moments are computed in float32.
      remat: what the backward pass computes again, "none" or "block" (stack.py).
      scan: blocks of one shape are a loop.
    """

    channels: int
    width: int
    widths: tuple[int, ...]
    stages: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    patch: int
    blocks: nn.Module
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
        for i, (width, count) in enumerate(zip(self.widths, self.stages, strict=True)):
            setattr(self, f"stage_{i}", Stack(width, count, **form, **repeated))
            setattr(self, f"down_{i}", Downsample(self.strides[i], **form))
        self.tokens = dense(self.width, self.dtype, "tokens")
        self.moments = Moments(self.channels, self.head)

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
        return self.moments(self.blocks(self.tokens(x)))

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows of latents a feature of ``high`` sees before and behind its own pixels."""
        return reach.of_encoder(self.strides, self.stages)


class Decoder(nn.Module):
    """Latents to video; the attributes are those of :class:`Encoder`, and one more.

    Attributes:
      causal: no frame depends on a later latent; False for convolutions that see as much future as
        past (``blocks`` have a field of their own), for infilling.
    """

    width: int
    widths: tuple[int, ...]
    stages: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    patch: int
    blocks: nn.Module
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
        self.tokens = dense(self.width, self.dtype, "tokens")
        self.features = dense(self.widths[-1], self.dtype, "features")
        for i, (width, count) in enumerate(zip(self.widths, self.stages, strict=True)):
            setattr(self, f"up_{i}", Upsample(self.strides[i], **form))
            setattr(self, f"stage_{i}", Stack(width, count, **form, **repeated))
        if self.head == "norm":
            self.norm_out = RMSNorm(self.dtype)
        self.conv_out = CausalConv3D(3 * self.patch**2, **form)

    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        return self.high(self.low(latents))

    def low(self, latents: jax.Array) -> jax.Array:
        """Equation (1): ``[B, G, h, w, c]`` to features ``[B, G, h, w, C]``."""
        return self.features(self.blocks(self.tokens(latents)))

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
        return reach.of_decoder(self.strides, self.stages)


def lookahead(stages: tuple[int, ...], strides: tuple[tuple[int, int], ...]) -> int:
    """How many later latents the convolutions of a decoder without causality see."""
    return cnn.lookahead((*stages, 0), strides, middle=0)
