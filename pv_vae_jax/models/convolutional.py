"""The convolutions between pixels and latents: what encoders and decoders made of them share.

    encoder   patch, conv, [blocks, down] ...  = high,   then low, the encoder's own
    decoder   low, the decoder's own,   then high = [up, blocks] ..., head, conv, patch back
    head      norm, SiLU; or nothing ("linear"), so that a straight path leads through the model

Stages are numbered from the pixels (0), in the encoder and in the decoder alike: ``widths[i]``
channels and ``stages[i]`` residual blocks belong to stage i, ``strides[i]`` (time, space) leads
from it towards the latents.  One stage more than strides is the last of ``low``.

    encoder = low o high,    decoder = high o low                                           (1)

``low`` has the rows and columns of the latents, and its attention is of whole frames.  ``high`` is
convolutions, so that a result of it depends on its surroundings alone, as far as ``reach``: large
frames run through it in tiles, exactly (tiled_vae.py).
"""

import abc
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.resample import Downsample, Upsample, shuffle, unshuffle
from pv_vae_jax.models import reach
from pv_vae_jax.models.stack import Stack


class _Stages(nn.Module):
    """The stages of either.

    Attributes:
      widths: channels of each stage, from the pixels.
      stages: residual blocks of each stage.
      strides: (time, space) behind each stage.
      patch: pixels unshuffled into channels before the first convolution.
      head: "norm", as the public video VAEs; "linear" learns several times faster in a small model
        (docs/choices.md), but bears only small learning rates.
      time_padding: "replicate" or "zeros".
      dtype: compute type, "float32" or "bfloat16".
      remat: what the backward pass computes again, a value of the table in stack.py.
      scan: residual blocks of one shape are a loop.
    """

    widths: tuple[int, ...]
    stages: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    patch: int
    head: str
    time_padding: str
    dtype: str
    remat: str
    scan: bool

    @property
    def form(self) -> dict[str, Any]:
        """Arguments of each convolution over time."""
        return {"time_padding": self.time_padding, "dtype": self.dtype}

    def setup(self):
        """Makes the residual blocks of all stages."""
        repeated = {"remat": self.remat, "scan": self.scan}
        for i, (width, count) in enumerate(zip(self.widths, self.stages, strict=True)):
            setattr(self, f"stage_{i}", Stack(width, count, **self.form, **repeated))


class Encoder(_Stages):
    """Video to the moments of the posterior; the attributes are those of the stages."""

    def setup(self):
        """Makes the layers of ``high``."""
        super().setup()
        self.conv_in = CausalConv3D(self.widths[0], **self.form)
        for i, strides in enumerate(self.strides):
            setattr(self, f"down_{i}", Downsample(strides, **self.form))

    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to moments ``[B, G, h, w, 2c]``, float32."""
        return self.low(self.high(video))

    def high(self, video: jax.Array) -> jax.Array:
        """Equation (1): ``[B, T, H, W, 3]`` to features ``[B, G, h, w, C]``."""
        x = self.conv_in(unshuffle(video, self.patch))
        for i in range(len(self.strides)):
            x = getattr(self, f"down_{i}")(getattr(self, f"stage_{i}")(x))
        return x

    @abc.abstractmethod
    def low(self, x: jax.Array) -> jax.Array:
        """Equation (1): features ``[B, G, h, w, C]`` to moments ``[B, G, h, w, 2c]``, float32."""

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows of latents a feature of ``high`` sees before and behind its own pixels."""
        return reach.of_encoder(self.strides, self.stages[: len(self.strides)])


class Decoder(_Stages):
    """Latents to video; the attributes are those of the stages, and one more.

    Attributes:
      causal: no frame depends on a later latent; False for convolutions that see as much future as
        past, for infilling.
    """

    causal: bool

    @property
    def form(self) -> dict[str, Any]:
        """Arguments of each convolution over time."""
        return {"time_padding": self.time_padding, "dtype": self.dtype, "causal": self.causal}

    def setup(self):
        """Makes the layers of ``high``."""
        super().setup()
        for i, strides in enumerate(self.strides):
            setattr(self, f"up_{i}", Upsample(strides, **self.form))
        if self.head == "norm":
            self.norm_out = RMSNorm(self.dtype)
        self.conv_out = CausalConv3D(3 * self.patch**2, **self.form)

    def __call__(self, latents: jax.Array) -> jax.Array:
        """``[B, G, h, w, c]`` to video ``[B, T, H, W, 3]``, float32, not clamped."""
        return self.high(self.low(latents))

    @abc.abstractmethod
    def low(self, latents: jax.Array) -> jax.Array:
        """Equation (1): ``[B, G, h, w, c]`` to features ``[B, G, h, w, C]``."""

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
        return reach.of_decoder(self.strides, self.stages[: len(self.strides)])
