"""What stands in the place of withheld pixels and of withheld latents.

    pixels    0  |  one learnable colour [3]                                                (1)
    latents   token                 one learnable vector [c]
              token_per_offset      a vector for each d, d = t - last(t)
              token_per_position    a vector for each place of a grid, bilinear between them
              gaussian | zeros      standard normal noise | 0                               (2)
              copy                  z[last(t)]
              causal                z[last(t)] + f(z[last], d / (1 + d))

``last(t)``, for each place of the latent grid, is the last observed latent step up to t; f is two
causal convolutions over the sequence so filled.  "copy" holds what was observed at ``last(t)``,
"causal" what was observed up to t, the others nothing of the input; none holds anything of a
withheld latent.  Latents are raw posterior space.
Reference: arXiv 2605.02134, section 3.1 (one learnable token, or noise; "condition-aware" padding,
here copy and causal, is named as a direction).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.withholding import observed_pixels

PIXEL_KINDS = ("zeros", "token")
KINDS = (
    "token", "token_per_offset", "token_per_position", "gaussian", "zeros", "copy", "causal",
)  # fmt: skip
HIDDEN = 2  # width of f, in latent channels


def _tokens(module: nn.Module, *shape: int) -> jax.Array:
    return module.param("token", nn.initializers.normal(0.02), shape)


class PixelPadding(nn.Module):
    """Equation (1); ``kind`` is "zeros", the middle of [-1, 1], or "token"."""

    kind: str = "zeros"

    @nn.compact
    def __call__(self, video: jax.Array, observed: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]``, replaced where ``observed``, bool ``[B, T, h', w']``, is False."""
        fill = 0.0 if self.kind == "zeros" else _tokens(self, 3).reshape(1, 1, 1, 1, 3)
        return jnp.where(observed_pixels(observed, *video.shape[2:4]), video, fill)


class Padding(nn.Module):
    """Equation (2).

    Attributes:
      channels: latent channels c.
      kind: one of ``KINDS``; for "gaussian" the caller gives the noise.
      offsets: the largest d that "token_per_offset" has a vector for.
      grid: (h, w) of the vectors of "token_per_position"; other sizes are resized to.
      time_padding: of f.
    """

    channels: int
    kind: str = "token"
    offsets: int = 16
    grid: tuple[int, int] = (16, 16)
    time_padding: str = "replicate"

    @nn.compact
    def __call__(
        self, latents: jax.Array, observed: jax.Array, noise: jax.Array | None = None
    ) -> jax.Array:
        """Appends the missing latents and replaces the withheld ones.

        Args:
          latents: ``[B, G', h, w, c]`` with ``G' <= G``.
          observed: bool ``[B, G, h, w]`` or ``[B, G, 1, 1]``, True in group 0.
          noise: standard normal ``[B, G, h, w, c]``, for "gaussian" only.

        Returns:
          float32 ``[B, G, h, w, c]``, the observed latents bit for bit.

        Raises:
          ValueError: more latents than groups, noise that is missing, or groups beyond the tokens.
        """
        latents = latents.astype(jnp.float32)
        given, groups = latents.shape[1], observed.shape[1]
        if given > groups:
            raise ValueError(f"{given} latents for {groups} groups: cut to the first {groups}.")
        latents = jnp.pad(latents, ((0, 0), (0, groups - given), (0, 0), (0, 0), (0, 0)))
        fill = self._fill(latents, observed, noise)
        return jnp.where(observed[..., None], latents, fill)

    def _fill(self, latents: jax.Array, observed: jax.Array, noise: jax.Array | None) -> jax.Array:
        """Broadcastable to the latents."""
        c = self.channels
        if self.kind == "zeros":
            return jnp.zeros(())
        if self.kind == "token":
            return _tokens(self, c).reshape(1, 1, 1, 1, c)
        if self.kind == "token_per_offset":
            return self._of_offset(observed)
        if self.kind == "token_per_position":
            table = _tokens(self, *self.grid, c)
            size = (*latents.shape[2:4], c)
            return jax.image.resize(table, size, "linear", antialias=False)[None, None]
        if self.kind in ("copy", "causal"):
            copied = jnp.take_along_axis(latents, last_observed(observed)[..., None], axis=1)
            return copied if self.kind == "copy" else self._causal(copied, observed)
        if self.kind != "gaussian":
            raise ValueError(f"padding is one of {', '.join(KINDS)}; got {self.kind!r}.")
        if noise is None or noise.shape != latents.shape:
            got = None if noise is None else noise.shape
            raise ValueError(f"gaussian padding wants noise of shape {latents.shape}, got {got}.")
        return noise.astype(jnp.float32)

    def _of_offset(self, observed: jax.Array) -> jax.Array:
        most = observed.shape[1] - 1
        if most > self.offsets:
            raise ValueError(
                f"padding token_per_offset has vectors for {self.offsets} latent steps after the "
                f"last observed one, but in a clip of {most + 1} there can be {most}: take shorter "
                "clips, or train a model with a larger padding_offsets."
            )
        offset = jnp.maximum(_offsets(observed) - 1, 0)
        return jnp.take(_tokens(self, self.offsets, self.channels), offset, axis=0)

    def _causal(self, copied: jax.Array, observed: jax.Array) -> jax.Array:
        distance = _offsets(observed)[..., None].astype(jnp.float32)
        distance = jnp.broadcast_to(distance / (1.0 + distance), (*copied.shape[:-1], 1))
        x = jnp.concatenate([copied, distance], axis=-1)
        for i, width in enumerate((HIDDEN * self.channels, self.channels)):
            x = CausalConv3D(width, time_padding=self.time_padding, name=f"conv_{i}")(x)
            x = nn.silu(x) if i == 0 else x
        return copied + x


def last_observed(observed: jax.Array) -> jax.Array:
    """``last(t)`` of a mask ``[B, G, h', w']``, int32 of its shape."""
    steps = jnp.arange(observed.shape[1], dtype=jnp.int32)[None, :, None, None]
    return jax.lax.cummax(jnp.where(observed, steps, 0), axis=1)


def _offsets(observed: jax.Array) -> jax.Array:
    steps = jnp.arange(observed.shape[1], dtype=jnp.int32)[None, :, None, None]
    return steps - last_observed(observed)
