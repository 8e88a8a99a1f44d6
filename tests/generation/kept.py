"""A small video VAE, and what a folder of its latents holds."""

import numpy as np

from pv_vae_jax.data import latent_records, latents
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry
from tests import tiny


def small_vae():
    """t4s16c4, with latent statistics that are not 0 and 1."""
    vae = registry.create("pv_vae_tiny", seed=0, **tiny.SHALLOW)
    mean, std = np.linspace(-1, 1, 4), np.linspace(0.5, 2, 4)
    return VideoVAE(vae.module, vae.params, mean, std, vae.config)


def files(folder):
    """The bytes of each file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def records(folder, split="train"):
    """Header, mean and logvar of each record."""
    kept = latents.Latents(folder, split)
    data = (kept._files.read(n) for n in range(len(kept)))
    return [latent_records.decode(each, kept.shape, kept.dtype, "it") for each in data]
