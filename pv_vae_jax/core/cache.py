"""Where things are kept between runs: ``$PV_VAE_JAX_CACHE``, or ``~/.cache/pv_vae_jax``."""

import os
import pathlib


def folder(name: str) -> pathlib.Path:
    """The cache folder of one kind of thing (``clips``, ``weights``); it may not exist yet."""
    root = os.environ.get("PV_VAE_JAX_CACHE", "~/.cache/pv_vae_jax")
    return pathlib.Path(root).expanduser() / name
