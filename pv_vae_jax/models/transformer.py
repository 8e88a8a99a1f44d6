"""The Transformer encoder and decoder.

    encoder   patches of a group to a token, blocks, moments (moments.py)
    decoder   matrix, blocks, norm (but for a "linear" head), tokens to the pixels of their patches

All of it at the size of the latents: a token is 4 x 16 x 16 pixels in the paper, 1 x 16 x 16 of
frame 0.  Tokens see their own group and earlier ones (group_attention.py).
Reference: arXiv 2605.02134, sections 3.2 and 4, table 7 (12 + 12 layers, 16 heads of 128, pixel
shuffle; causality, window, places and norms are ours: docs/choices.md).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.multi_head import dense
from pv_vae_jax.models.moments import Moments
from pv_vae_jax.models.patches import Embedding, Pixels


class Encoder(nn.Module):
    """Video to the moments of the posterior.

    Attributes:
      channels: latent channels c.
      width: channels of a token.
      temporal: frames of a group.
      patch: rows and columns of a patch.
      blocks: :class:`~pv_vae_jax.models.transformer_blocks.Blocks`.
      head: "norm", as Transformers have it; "linear" learns several times faster in a small model.
      dtype: compute type, "float32" or "bfloat16"; the moments are computed in float32.
    """

    channels: int
    width: int
    temporal: int
    patch: int
    blocks: nn.Module
    head: str = "norm"
    dtype: str = "float32"

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        x = Embedding(self.width, self.temporal, self.patch, self.dtype, name="patches")(video)
        return Moments(self.channels, self.head, name="moments")(self.blocks(x))


class Decoder(nn.Module):
    """Latents to video; the attributes are those of :class:`Encoder`."""

    width: int
    temporal: int
    patch: int
    blocks: nn.Module
    head: str = "norm"
    dtype: str = "float32"

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        x = self.blocks(dense(self.width, self.dtype, "tokens")(latents))
        if self.head == "norm":
            x = RMSNorm(self.dtype, name="norm_out")(x)
        pixels = Pixels(self.temporal, self.patch, self.dtype, name="pixels")
        return pixels(x).astype(jnp.float32)
