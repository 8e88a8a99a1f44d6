"""What every video VAE answers to: a latent specification, and a posterior.

    q(z | x) = N(mean, exp(logvar)),    z = mean + exp(logvar / 2) noise              (1)

A module that is a video VAE has a field or property ``spec: LatentSpec`` and the methods

    posterior(video)    -> Posterior      video float [B, T, H, W, 3] in [-1, 1]
    decode_raw(latents) -> video          latents float [B, G, h, w, c], raw posterior space

"Raw" means not normalised; a loaded model (models/video_vae.py) adds the latent statistics.
"""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp

from pv_vae_jax.core import dims

LOGVAR_RANGE = (-30.0, 20.0)  # the clamp of all the public video VAEs but IV-VAE
ALL = 2**31 - 1  # latents: more than any clip has


@dataclasses.dataclass(frozen=True)
class LatentSpec:
    """The shape of the latents and what is true of time.

    Attributes:
      temporal: frames per latent step (after the first, which is alone).
      spatial: pixels per latent row and column.
      channels: latent channels c.
      encoder_causal: a latent depends on no later group.
      decoder_lookahead: how many later latents a decoded group depends on (0: causal; ``ALL``: on
        all of the clip).
      streaming: "exact" (any chunk plan gives the whole clip's result), "reference_chunks" (its
        chunks are part of its definition) or "none" (it decodes whole clips alone; where
        ``encoder_causal``, it still encodes a stream).
      reference_chunk: latent steps of a chunk where ``streaming`` is "reference_chunks"; what does
        not divide stands in the first chunk.
      max_groups: latent steps of the longest clip, where all of it is seen at once (0: any length).
      splits: how a clip may lie on several devices: "rows", "time" (sharding/split.py).
    """

    temporal: int
    spatial: int
    channels: int
    encoder_causal: bool = True
    decoder_lookahead: int = 0
    streaming: str = "exact"
    reference_chunk: int = 0
    max_groups: int = 0
    splits: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The paper's notation, such as ``t4s16c64``."""
        return f"t{self.temporal}s{self.spatial}c{self.channels}"

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """``(G, h, w, c)`` of a clip; ValueError if its length or size does not fit."""
        dims.check_size(height, width, self.spatial)
        groups = dims.groups_of(frames, self.temporal)
        self.check_length(groups)
        return groups, height // self.spatial, width // self.spatial, self.channels

    def check_length(self, groups: int) -> None:
        """Raises ValueError for more latent steps than ``max_groups``."""
        if self.max_groups and groups > self.max_groups:
            most = dims.frames_of(self.max_groups, self.temporal)
            raise ValueError(
                f"this model sees all of a clip at once (window = 0), up to {self.max_groups} "
                f"latent steps ({most} frames); got {groups}: set window to how many it is to "
                "see, or raise max_groups."
            )


@flax.struct.dataclass
class Posterior:
    """Equation (1): a diagonal Gaussian over latents, both float32 ``[B, G, h, w, c]``."""

    mean: jax.Array
    logvar: jax.Array

    @classmethod
    def from_moments(cls, moments: jax.Array) -> "Posterior":
        """From the encoder's output ``[..., 2c]``: mean first, then log-variance (clamped)."""
        mean, logvar = jnp.split(moments.astype(jnp.float32), 2, axis=-1)
        return cls(mean, jnp.clip(logvar, *LOGVAR_RANGE))

    def sample(self, noise: jax.Array) -> jax.Array:
        """Equation (1) with standard normal ``noise`` of the latents' shape."""
        return self.mean + jnp.exp(0.5 * self.logvar) * noise
