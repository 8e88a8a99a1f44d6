"""The CNN encoder and decoder.

    encoder   patch, conv, [blocks, down] ..., blocks, middle, head, conv, 1x1x1
    decoder   1x1x1, conv, middle, blocks, [up, blocks] ..., head, conv, patch back
    middle    block, attention within each frame, block
    head      norm, SiLU; or nothing ("linear"), so that a straight path leads through the model
              to the mean; the log-variance is of normed features always, so that it is bounded

Stages run from the pixels (0) to the latents (n); ``strides[i]`` lies between stages i and i + 1.
All but the last, and the convolutions at the pixels, are ``high`` (convolutional.py); the last
stage and the middle, whose attention is of whole frames, are ``low``.
Reference: arXiv 2605.02134, section 3.2 (time before space alone in the encoder).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.attention import FrameAttention
from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.models import convolutional, reach
from pv_vae_jax.models.stack import residual_block

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


class Encoder(convolutional.Encoder):
    """Video to the moments of the posterior; one stage more than strides.

    Attributes:
      channels: latent channels c.
    """

    channels: int

    def setup(self):
        """Makes the layers."""
        super().setup()
        self.mid = Middle(self.widths[-1], **self.form, remat=self.remat)
        self.norm_out = RMSNorm(self.dtype)
        moments = 2 * self.channels if self.head == "norm" else self.channels
        self.conv_out = CausalConv3D(moments, **self.form)
        self.quant = CausalConv3D(moments, (1, 1, 1), dtype=self.dtype)
        if self.head == "linear":
            self.conv_logvar = CausalConv3D(self.channels, **self.form)

    def low(self, x: jax.Array) -> jax.Array:
        """Features ``[B, G, h, w, C]`` to moments ``[B, G, h, w, 2c]``, float32."""
        x = self.mid(getattr(self, f"stage_{len(self.strides)}")(x))
        normed = nn.silu(self.norm_out(x))
        if self.head == "norm":
            return self.quant(self.conv_out(normed)).astype(jnp.float32)
        mean, logvar = self.quant(self.conv_out(x)), self.conv_logvar(normed)
        return jnp.concatenate([mean, logvar], axis=-1).astype(jnp.float32)


class Decoder(convolutional.Decoder):
    """Latents to video; one stage more than strides.

    Attributes:
      channels: latent channels c.
    """

    channels: int

    def setup(self):
        """Makes the layers."""
        super().setup()
        self.post_quant = CausalConv3D(self.channels, (1, 1, 1), dtype=self.dtype)
        self.conv_in = CausalConv3D(self.widths[-1], **self.form)
        self.mid = Middle(self.widths[-1], **self.form, remat=self.remat)

    def low(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to features ``[B, G, h, w, C]``."""
        x = self.mid(self.conv_in(self.post_quant(latents)))
        return getattr(self, f"stage_{len(self.strides)}")(x)


def lookahead(stages: tuple[int, ...], strides: reach.Strides) -> int:
    """How many later latents the last frame of a group depends on in a decoder without causality.

    Args:
      stages: residual blocks of each stage.
      strides: (time, space) between the stages.
    """
    return reach.lookahead(strides, stages) + MIDDLE
