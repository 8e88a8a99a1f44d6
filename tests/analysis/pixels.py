"""A video VAE whose latents are the pixels: its analyses have known answers."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.evaluation.measuring import Video
from pv_vae_jax.interface import LatentSpec, Posterior
from pv_vae_jax.models.video_vae import VideoVAE


class Pixels(nn.Module):
    """Latents are frames in [-1, 1]; what is withheld is the last frame that is not."""

    spec = LatentSpec(temporal=1, spatial=1, channels=3)

    def posterior(self, video):
        return Posterior(video, jnp.zeros_like(video))

    def decode_raw(self, latents):
        return latents

    def pad(self, latents, observed, noise=None):
        missing = observed.shape[1] - latents.shape[1]
        return jnp.concatenate([latents, jnp.repeat(latents[:, -1:], missing, axis=1)], axis=1)


def vae(scale=1.0):
    """``scale`` is a parameter that changes nothing, so that there are several models."""
    params = {"encoder": {"scale": jnp.full(3, scale)}}
    return VideoVAE(Pixels(), params, np.zeros(3), np.ones(3), {"name": "pixels", "fields": {}})


def about(label="pixels"):
    return {
        "label": label, "name": "pixels", "spec": "t1s1c3", "parameters": 3, "trained": True,
        "sha256": None, "file": None, "training": {"stage": "one", "step": 7, "config": {}},
    }  # fmt: skip


def video(key, clip):
    return Video(key, key, lambda: clip)
