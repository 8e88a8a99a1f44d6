"""The predictive video VAE: encoder, padding, decoder.

    q(z | x_observed) -> z, padded where x is withheld -> x_hat of all frames               (1)

The parameter tree has the branches ``encoder``, ``decoder``, and ``padding`` and ``pixel_padding``
where these have parameters.
Reference: arXiv 2605.02134, section 3.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.interface import LatentSpec, Posterior


class PVVAE(nn.Module):
    """Equation (1); see interface.py for what every video VAE answers to."""

    encoder: nn.Module
    decoder: nn.Module
    padding: nn.Module
    pixel_padding: nn.Module
    spec: LatentSpec
    last_layer: str = "decoder/conv_out/kernel"  # path of the parameter nearest to the pixels

    def posterior(self, video: jax.Array) -> Posterior:
        """Of ``video [B, T, H, W, 3]`` in [-1, 1]; ValueError on a bad length or size."""
        self.spec.latent_shape(*video.shape[1:4])
        return self.chunk_posterior(video)

    def chunk_posterior(self, video: jax.Array) -> Posterior:
        """Like :meth:`posterior`, for a chunk of a stream: its length is the caller's care."""
        return Posterior.from_moments(self.encoder(video))

    def decode_raw(self, latents: jax.Array) -> jax.Array:
        """Raw latents ``[B, G, h, w, c]`` to float32 video ``[B, T, H, W, 3]``, not clamped."""
        self.spec.check_length(latents.shape[1])
        return self.decoder(latents)

    def encode_high(self, video: jax.Array) -> jax.Array:
        """The part of the encoder that can run in tiles (convolutional.py): video to features."""
        return self.encoder.high(video)

    def encode_low(self, features: jax.Array) -> Posterior:
        """The rest of the encoder: :meth:`chunk_posterior` of what :meth:`encode_high` gives."""
        return Posterior.from_moments(self.encoder.low(features))

    def decode_low(self, latents: jax.Array) -> jax.Array:
        """The part of the decoder that needs whole frames: raw latents to features."""
        return self.decoder.low(latents)

    def decode_high(self, features: jax.Array) -> jax.Array:
        """The rest of the decoder: :meth:`decode_raw` of what :meth:`decode_low` gives."""
        return self.decoder.high(features)

    def hide(self, video: jax.Array, observed: jax.Array) -> jax.Array:
        """The clip that is encoded: :class:`~pv_vae_jax.models.padding.PixelPadding`."""
        return self.pixel_padding(video, observed)

    def pad(
        self, latents: jax.Array, observed: jax.Array, noise: jax.Array | None = None
    ) -> jax.Array:
        """Latents of all groups: see :class:`~pv_vae_jax.models.padding.Padding`."""
        return self.padding(latents, observed, noise)

    def __call__(self, video: jax.Array) -> jax.Array:
        """Reconstruction from the posterior mean; touches every parameter (for ``init``)."""
        every = jnp.ones((*video.shape[:2], 1, 1), bool)
        mean = self.posterior(self.hide(video, every)).mean
        observed = jnp.ones((*mean.shape[:2], 1, 1), bool)
        return self.decode_raw(self.pad(mean, observed, jnp.zeros_like(mean)))
