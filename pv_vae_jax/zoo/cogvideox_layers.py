"""Layers of CogVideoX: norms that see one chunk of frames, and the resamplers.

    norm(x)    = (x - m) / sqrt(v + 1e-6) * scale + bias                                    (1)
    norm(x, z) = norm(x) * conv_y(z) + conv_b(z),      z nearest-resized to x               (2)
    m, v       = mean and variance over H, W, the C / groups channels of a group, and the
                 frames of a chunk, of each clip

    block(x)   = shortcut(x) + conv(SiLU(norm(conv(SiLU(norm(x))))))                        (3)
    down       = frames averaged in pairs (frame 0 alone), a 3x3 convolution of stride 2
    up         = nearest neighbour in space, a 3x3 convolution, each frame but frame 0 twice

The chunks are part of the model's definition, but its convolutions carry their last frames from
chunk to chunk and so run on whole clips; only (1) asks where a chunk begins (:class:`Chunks`).
1x1x1 convolutions and nearest-neighbour resizing commute: (2) runs at the size of the latents; so
do 3x3 convolutions of single frames and the repetition of frames.

Reference: AutoencoderKLCogVideoX of diffusers 0.42.1; (2) is that of arXiv 2209.09002.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.layers.resample import nearest

EPSILON = 1e-6


@dataclasses.dataclass(frozen=True)
class Chunks:
    """Where the chunks of the reference lie in an array of frames.

    Attributes:
      first: latent steps of the first chunk of the array; what follows it has ``later`` each.
      later: see ``first``.
      opens: the array begins with frame 0 of the clip, which is a latent step alone.
      copies: the reference has ``rate`` equal frames for frame 0, and so they count in its means:
        its decoder has, where the first chunk is an even number of latents (it tells a first chunk
        by its odd number of frames).
      rate: frames of a latent step.
    """

    first: int
    later: int
    opens: bool = True
    copies: bool = False
    rate: int = 1

    def at(self, rate: int) -> "Chunks":
        """The same chunks where a latent step is ``rate`` frames."""
        return dataclasses.replace(self, rate=rate)

    def shared(self, x: jax.Array) -> jax.Array:
        """Values of single frames ``[B, T, n]`` to the means of their chunks, for each frame."""
        b, frames, n = x.shape
        first = self.first * self.rate - (self.rate - 1 if self.opens else 0)
        more = self.rate - 1 if self.copies else 0
        mean = (x[:, :first].sum(axis=1) + more * x[:, 0]) / (first + more)
        means = [jnp.broadcast_to(mean[:, None], (b, first, n))]
        if frames > first:
            mean = x[:, first:].reshape(b, -1, self.later * self.rate, n).mean(axis=2)
            means.append(jnp.repeat(mean, self.later * self.rate, axis=1))
        return jnp.concatenate(means, axis=1)


class ChunkNorm(nn.Module):
    """Equation (1), or (2) where it is called with ``z``; reduced in float32.

    Attributes:
      chunks: at the rate of ``x``.
      groups: of neighbouring channels; they divide C.
      dtype: of the result, "float32" or "bfloat16".
    """

    chunks: Chunks
    groups: int
    dtype: str = "float32"

    whole_frame = True  # its statistics are: no tile of a frame has them (models/tiled_vae.py)

    @nn.compact
    def __call__(self, x: jax.Array, z: jax.Array | None = None) -> jax.Array:
        """``[B, T, H, W, C]`` to the same shape; ``z`` are all latents ``[B, G, h, w, c]``."""
        b, t, h, w, c = x.shape
        if c % self.groups:
            raise ValueError(f"{c} channels are not {self.groups} groups of one width.")
        scale = self.param("scale", nn.initializers.ones, (c,)).reshape(1, 1, 1, 1, -1)
        bias = self.param("bias", nn.initializers.zeros, (c,)).reshape(1, 1, 1, 1, -1)
        x = x.astype(jnp.float32)
        mean = self._mean(x)
        # The variance does not change to first order with the mean that it is taken around.
        variance = self._mean(jnp.square(x - jax.lax.stop_gradient(mean)))
        factor = jax.lax.rsqrt(variance + EPSILON) * scale
        summand = bias - mean * factor
        if z is not None:
            by, plus = (
                nearest(
                    CausalConv3D(c, (1, 1, 1), dtype=self.dtype, name=name)(z),
                    self.chunks.rate,
                    1,
                    self.chunks.opens,
                )  # fmt: skip
                for name in ("conv_y", "conv_b")
            )
            factor, summand = factor * by, summand * by + plus
        rows, columns = factor.shape[2:4]
        x = x.reshape(b, t, rows, h // rows, columns, w // columns, c)
        y = x * factor[:, :, :, None, :, None] + summand[:, :, :, None, :, None]
        return y.reshape(b, t, h, w, c).astype(compute_dtype(self.dtype))

    def _mean(self, x: jax.Array) -> jax.Array:
        """Over the chunk and the channels of each group: ``[B, T, 1, 1, C]``."""
        b, t, c = *x.shape[:2], x.shape[-1]
        # Many short sums round less than one of a million terms, and run on all cores.
        rows = jax.lax.optimization_barrier(jnp.mean(x, axis=3))
        frames = jnp.mean(rows, axis=2).reshape(b, t, self.groups, -1).mean(axis=-1)
        mean = jnp.repeat(self.chunks.shared(frames), c // self.groups, axis=-1)
        return mean.reshape(b, t, 1, 1, c)


class Blocks(nn.Module):
    """Equation (3), ``count`` times.

    Attributes:
      features: channels of the result.
      count: of blocks.
      chunks: at the rate of ``x``.
      groups: of the norms.
      dtype: compute type, "float32" or "bfloat16".
      remat: "none", or "block": the backward pass computes each block again.
    """

    features: int
    count: int
    chunks: Chunks
    groups: int
    dtype: str = "float32"
    remat: str = "none"

    @nn.compact
    def __call__(self, x: jax.Array, z: jax.Array | None = None) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, features]``; ``z`` as in :class:`ChunkNorm`."""
        block = nn.remat(Block) if self.remat == "block" else Block
        for i in range(self.count):
            form = self.features, self.chunks, self.groups, self.dtype
            x = block(*form, name=f"block_{i}")(x, z)
        return x


class Block(nn.Module):
    """Equation (3); the attributes are those of :class:`Blocks`."""

    features: int
    chunks: Chunks
    groups: int
    dtype: str

    @nn.compact
    def __call__(self, x: jax.Array, z: jax.Array | None) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, features]``."""
        y = x
        for i in range(2):
            y = nn.silu(ChunkNorm(self.chunks, self.groups, self.dtype, name=f"norm_{i}")(y, z))
            y = CausalConv3D(self.features, dtype=self.dtype, name=f"conv_{i}")(y)
        if x.shape[-1] != self.features:
            x = CausalConv3D(self.features, (1, 1, 1), dtype=self.dtype, name="shortcut")(x)
        return x + y


class Downsample(nn.Module):
    """Frames averaged in pairs where ``time`` is 2, then a 3x3 convolution with stride 2."""

    time: int
    chunks: Chunks
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T', H / 2, W / 2, C]``; frame 0 of the clip is alone."""
        if self.time == 2:
            alone = 1 if self.chunks.opens else 0
            pairs = 0.5 * (x[:, alone::2] + x[:, alone + 1 :: 2])
            x = jnp.concatenate([x[:, :alone], pairs], axis=1)
        return CausalConv3D(x.shape[-1], (1, 3, 3), (1, 2), dtype=self.dtype, name="conv")(x)


class Upsample(nn.Module):
    """Nearest neighbour (2 in space, ``time`` in time) and a 3x3 convolution of each frame."""

    time: int
    chunks: Chunks
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T', 2 H, 2 W, C]``; frame 0 of the clip is alone."""
        x = nearest(x, 1, 2, self.chunks.opens)
        conv = CausalConv3D(x.shape[-1], (1, 3, 3), dtype=self.dtype, spread=True, name="conv")
        return nearest(conv(x), self.time, 1, self.chunks.opens)
