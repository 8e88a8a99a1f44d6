"""Predictive video VAEs in JAX: table of contents of the public API.

import pv_vae_jax as pv
vae = pv.load("exports/quickstart.npz")       # or pv.create("pv_vae_tiny", seed=0)
z = vae.encode(video)                         # [B, T, H, W, 3] uint8 or float in [-1, 1]
again = vae.decode(z)
future = vae.predict(video[:, :5], frames=9)
wide = pv.split(vae, "rows")                  # each clip on all devices of the host; or "time"
large = pv.tile(vae, 512, 512)                # large frames, a tile after the other
generator = pv.load_generator("exports/latte.npz")
video = vae.decode(pv.sample(generator, count=4))
"""

from pv_vae_jax.checkpoint.export import load, save
from pv_vae_jax.checkpoint.generator_export import load as load_generator
from pv_vae_jax.generation.drawing import sample
from pv_vae_jax.interface import LatentSpec, Posterior
from pv_vae_jax.models.generator import Generator
from pv_vae_jax.models.split_vae import split
from pv_vae_jax.models.tiled_vae import tile
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.withholding import Withholding
from pv_vae_jax.zoo.registry import create, describe

__version__ = "0.1.0"

__all__ = [
    # Models: by name with fresh weights, from a file, and what they are.
    "create",
    "describe",
    "load",
    "save",
    "split",
    "tile",
    "VideoVAE",
    # Generators on their latents.
    "load_generator",
    "sample",
    "Generator",
    # What every video VAE answers with.
    "LatentSpec",
    "Posterior",
    # The method.
    "Withholding",
]
