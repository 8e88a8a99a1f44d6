"""The hybrid encoder and decoder: convolutions near the pixels, a Transformer at the latents.

    encoder   patch, conv, [blocks, down] ..., matrix, Transformer blocks, moments (moments.py)
    decoder   matrix, Transformer blocks, matrix, [up, blocks] ..., head, conv, patch back
    head      norm, SiLU; or nothing ("linear")

The convolutional stages are those of cnn.py without its last, ``high`` of convolutional.py.  The
Transformer blocks, ``low``, are those of transformer.py: at the size of the latents each of them
sees whole frames, where one more convolution would see 3 x 3 places.
Reference: arXiv 2605.02134, section 3.2 (hybrids are named as a direction; all of this is ours).
"""

import flax.linen as nn
import jax

from pv_vae_jax.layers.multi_head import dense
from pv_vae_jax.models import convolutional
from pv_vae_jax.models.moments import Moments


class Encoder(convolutional.Encoder):
    """Video to the moments of the posterior, which are computed in float32.

    Attributes:
      channels: latent channels c.
      width: channels of a token.
      blocks: :class:`~pv_vae_jax.models.transformer_blocks.Blocks`.
    """

    channels: int
    width: int
    blocks: nn.Module

    def setup(self):
        """Makes the layers."""
        super().setup()
        self.tokens = dense(self.width, self.dtype, "tokens")
        self.moments = Moments(self.channels, self.head)

    def low(self, x: jax.Array) -> jax.Array:
        """Features ``[B, G, h, w, C]`` to moments ``[B, G, h, w, 2c]``, float32."""
        return self.moments(self.blocks(self.tokens(x)))


class Decoder(convolutional.Decoder):
    """Latents to video.

    Attributes:
      width: channels of a token.
      blocks: as of :class:`Encoder`; whether they are causal is a field of their own.
    """

    width: int
    blocks: nn.Module

    def setup(self):
        """Makes the layers."""
        super().setup()
        self.tokens = dense(self.width, self.dtype, "tokens")
        self.features = dense(self.widths[-1], self.dtype, "features")

    def low(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to features ``[B, G, h, w, C]``."""
        return self.features(self.blocks(self.tokens(latents)))
