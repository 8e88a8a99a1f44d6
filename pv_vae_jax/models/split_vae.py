"""A loaded model that encodes and decodes each clip on several devices.

    vae = pv.split(pv.load(path), "rows")         # or "time"; all devices of this host
    z = vae.encode(video)

For clips that are too large or too long for one device: what a device holds is its part of the clip
and of every feature map (sharding/split.py), and results that are not latents lie in the memory of
the host.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pv_vae_jax.core import pixels
from pv_vae_jax.interface import Posterior
from pv_vae_jax.models.video_vae import VideoVAE, check_pixels
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.sharding.split import Split


@functools.partial(jax.jit, static_argnums=(0, 1))
def _of_padded(clips: Split, method: str, params, x: jax.Array):
    x = pixels.to_float(x) if x.dtype == jnp.uint8 else x.astype(jnp.float32)
    return clips.of_padded({"params": params}, x, method)


class SplitVAE(VideoVAE):
    """A :class:`VideoVAE` whose clips are split; made by :func:`split`."""

    def __init__(self, vae: VideoVAE, clips: Split):
        params = meshes.put_replicated(clips.mesh, vae.params)
        super().__init__(vae.module, params, vae.mean, vae.std, vae.config)
        self.clips = clips

    def posterior(self, video: Any) -> Posterior:
        """The raw posterior of ``video [B, T, H, W, 3]``, as NumPy arrays."""
        check_pixels(video)
        return self._on_all(np.asarray(video), "posterior")

    def encode_stream(self, chunks: Any) -> Any:
        """Raises ValueError: the chunks of a split clip are its parts."""
        raise ValueError("a model whose clips are split has no stream: hand over whole clips.")

    decode_stream = encode_stream

    def _decoded(self, raw: jax.Array) -> np.ndarray:
        return self._on_all(np.asarray(raw), "decode_raw")

    def _on_all(self, x: np.ndarray, method: str) -> Any:
        placed = meshes.put(self.clips.sharding, self.clips.padded(x, method))
        found = _of_padded(self.clips, method, self.params, placed)
        return self.clips.cut(meshes.to_host(found), x, method)


def split(vae: VideoVAE, by: str, mesh: Mesh | None = None) -> SplitVAE:
    """A model that encodes and decodes each clip on several devices, with the same results.

    Args:
      vae: a model whose ``spec.splits`` has ``by``.
      by: "rows", with H a multiple of the spatial factor (16 in the paper) on each device; or
        "time", of any length with at least 2 latent steps on each device.
      mesh: ``data`` devices share the clips of a batch, ``model`` devices share each clip (see
        sharding/mesh.py); None for all devices of this host on each
        clip.

    Raises:
      ValueError: the model cannot be split that way, or is split or tiled already.
    """
    if type(vae) is not VideoVAE:
        raise ValueError("this model is tiled, or its clips are split, already: do either once.")
    if mesh is None:
        mesh = meshes.make_mesh(data=1, model=0, devices=jax.local_devices())
    try:
        clips = Split(vae.module, mesh, by)
    except ValueError as error:
        raise ValueError(f"{vae.config.get('name', 'this model')}: {error}") from error
    return SplitVAE(vae, clips)
