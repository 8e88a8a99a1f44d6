"""The hybrid encoder and decoder: convolutions near the pixels, a Transformer at the latents.

    encoder   patch, conv, [blocks, down] ..., matrix, Transformer blocks, norm, moments
    decoder   matrix, Transformer blocks, norm, matrix, [up, blocks] ..., head, conv, patch back
    head      norm, SiLU

The convolutional stages are those of cnn.py, numbered from the pixels (0): ``widths[i]`` channels
and ``stages[i]`` residual blocks belong to stage i, ``strides[i]`` (time, space) leads from it
towards the latents.  The Transformer blocks are those of transformer.py: at the size of the latents
each of them sees whole frames, where one more convolution would see 3 x 3 places.
Reference: arXiv 2605.02134, section 3.2 (hybrids are named as a direction; all of this is ours).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.multi_head import dense
from pv_vae_jax.layers.resample import Downsample, Upsample, shuffle, unshuffle
from pv_vae_jax.models import cnn
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
    time_padding: str = "replicate"
    dtype: str = "float32"
    remat: str = "none"
    scan: bool = False

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        form = {"time_padding": self.time_padding, "dtype": self.dtype}
        repeated = {"remat": self.remat, "scan": self.scan}
        x = unshuffle(video, self.patch)
        x = CausalConv3D(self.widths[0], **form, name="conv_in")(x)
        for i, (width, count) in enumerate(zip(self.widths, self.stages, strict=True)):
            x = Stack(width, count, **form, **repeated, name=f"stage_{i}")(x)
            x = Downsample(self.strides[i], **form, name=f"down_{i}")(x)
        x = self.blocks(dense(self.width, self.dtype, "tokens")(x))
        return dense(2 * self.channels, "float32", "moments")(x)


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
    time_padding: str = "replicate"
    dtype: str = "float32"
    remat: str = "none"
    scan: bool = False
    causal: bool = True

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        form = {"time_padding": self.time_padding, "dtype": self.dtype, "causal": self.causal}
        repeated = {"remat": self.remat, "scan": self.scan}
        x = self.blocks(dense(self.width, self.dtype, "tokens")(latents))
        x = dense(self.widths[-1], self.dtype, "features")(x)
        for i in reversed(range(len(self.widths))):
            x = Upsample(self.strides[i], **form, name=f"up_{i}")(x)
            x = Stack(self.widths[i], self.stages[i], **form, **repeated, name=f"stage_{i}")(x)
        x = nn.silu(RMSNorm(self.dtype, name="norm_out")(x))
        x = CausalConv3D(3 * self.patch**2, **form, name="conv_out")(x)
        return shuffle(x.astype(jnp.float32), self.patch)


def lookahead(stages: tuple[int, ...], strides: tuple[tuple[int, int], ...]) -> int:
    """How many later latents the convolutions of a decoder without causality see."""
    return cnn.lookahead((*stages, 0), strides, middle=0)
