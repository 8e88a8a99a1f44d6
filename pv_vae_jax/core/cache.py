"""Where things are kept between runs: ``$PV_VAE_JAX_CACHE``, or ``~/.cache/pv_vae_jax``."""

import os
from typing import Any

from pv_vae_jax.core import storage


def folder(name: str) -> Any:
    """The cache folder of one kind of thing (``clips``, ``weights``), a path or a URL.

    It may not exist yet.
    """
    root = os.environ.get("PV_VAE_JAX_CACHE", "~/.cache/pv_vae_jax")
    return storage.path(os.path.expanduser(root)) / name
