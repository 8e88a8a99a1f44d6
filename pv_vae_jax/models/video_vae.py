"""A loaded model: a module, its parameters, and the latent statistics that travel with it.

    z = (mean of q(z_raw | x) - mean) / std,        x = decoder(z std + mean)               (1)

Video comes as uint8 in [0, 255] or float in [-1, 1] and leaves as float32 in [-1, 1].
"""

import copy
import functools
from collections.abc import Iterable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import dims, pixels, rng, trees
from pv_vae_jax.interface import LatentSpec, Posterior
from pv_vae_jax.models import streaming
from pv_vae_jax.sharding import local

ROUNDING = 1e-3  # how far a float pixel may leave [-1, 1] by arithmetic alone


def check_pixels(video: Any) -> None:
    """Raises ValueError if the rank, channels, type or range of pixels is wrong, and says which."""
    if not hasattr(video, "dtype"):
        raise ValueError(f"a video is an array [B, T, H, W, 3], got a {type(video).__name__}.")
    shape = np.shape(video)
    if len(shape) != 5 or shape[-1] != 3 or 0 in shape:
        raise ValueError(f"a video is [B, T, H, W, 3], each at least 1, got shape {shape}.")
    if video.dtype == np.uint8:
        return
    if not jnp.issubdtype(video.dtype, jnp.floating):
        raise ValueError(f"pixels are uint8 in [0, 255] or float in [-1, 1], got {video.dtype}.")
    low, high = float(video.min()), float(video.max())
    if not (-1 - ROUNDING <= low and high <= 1 + ROUNDING):
        raise ValueError(
            f"float pixels are in [-1, 1], got [{low:.4g}, {high:.4g}]: "
            "scale them (x / 127.5 - 1 for 0..255) or hand over uint8."
        )


def checked_pixels(video: Any) -> jax.Array:
    """``[B, T, H, W, 3]`` as float32 in [-1, 1]; ValueError as :func:`check_pixels`."""
    check_pixels(video)
    if video.dtype == np.uint8:
        return pixels.to_float(jnp.asarray(video))
    return jnp.asarray(video, jnp.float32)


@functools.partial(jax.jit, static_argnums=(0, 1))
def apply(module: nn.Module, method: str, params, *args):
    """``method`` of a module, compiled."""
    return module.apply({"params": params}, *args, method=method)


class VideoVAE:
    """Equation (1) around any video VAE.

    Attributes:
      module: answers to ``posterior`` and ``decode_raw`` (interface.py).
      params: its parameters.
      mean: latent mean ``[c]``.
      std: latent standard deviation ``[c]``.
      config: name and fields of the model, for export.
    """

    def __init__(self, module: nn.Module, params: trees.Tree, mean, std, config: dict[str, Any]):
        channels = module.spec.channels
        self.module = module
        self.params = params
        self.mean = jnp.asarray(mean, jnp.float32)
        self.std = jnp.asarray(std, jnp.float32)
        self.config = config
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.shape != (channels,):
                raise ValueError(
                    f"the latent {name} is a vector [{channels}], got shape {value.shape}."
                )
        if not bool((self.std > 0).all()):
            raise ValueError(f"the latent std is positive, got a least of {float(self.std.min())}.")

    def on_all_devices(self) -> "VideoVAE":
        """The same model, its parameters whole on each device of this host."""
        other = copy.copy(self)
        other.params = local.whole(self.params)
        return other

    _ready = staticmethod(checked_pixels)  # what a chunk becomes before it is encoded
    _step = staticmethod(streaming.step)

    @property
    def spec(self) -> LatentSpec:
        """The latent specification."""
        return self.module.spec

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return trees.count(self.params)

    def posterior(self, video: Any) -> Posterior:
        """The raw posterior of ``video [B, T, H, W, 3]``."""
        return apply(self.module, "posterior", self.params, checked_pixels(video))

    def encode(self, video: Any) -> jax.Array:
        """Normalised latents ``[B, G, h, w, c]``: the mean of the posterior, equation (1)."""
        return self._normalise(self.posterior(video).mean)

    def decode(self, latents: Any, clamp: bool = True) -> jax.Array:
        """Normalised latents ``[B, G, h, w, c]`` to video, clamped to [-1, 1] if so wanted."""
        self._check_latents(latents)
        video = self._decoded(self._raw(latents))
        return video.clip(-1, 1) if clamp else video

    def predict(self, video: Any, frames: int, seed: int = 0) -> jax.Array:
        """Continues a video: encodes it, pads the groups to come, decodes.

        Args:
          video: ``[B, T, H, W, 3]``, the observed frames.
          frames: frames of the result, of the form 1 + p n, at least T.
          seed: of the noise, where the model pads with noise.

        Returns:
          Video ``[B, frames, H, W, 3]`` in [-1, 1]: the observed frames reconstructed, then the
          predicted ones.

        Raises:
          ValueError: ``frames`` is less than T or of another form.
        """
        groups = dims.groups_of(frames, self.spec.temporal)
        mean = self.posterior(video).mean
        if frames < video.shape[1]:
            raise ValueError(
                f"{video.shape[1]} frames are observed and {frames} wanted: ask for more."
            )
        b, seen, *shape = mean.shape
        observed = jnp.tile((jnp.arange(groups) < seen)[None, :, None, None], (b, 1, 1, 1))
        key = rng.stream_key(seed, "padding")
        noise = rng.latent_noise(key, jnp.arange(b), groups, tuple(shape))
        raw = apply(self.module, "pad", self.params, mean, observed, noise)
        return self._decoded(raw).clip(-1, 1)

    def encode_stream(self, chunks: Iterable[Any]) -> Iterator[jax.Array]:
        """Normalised latents of video chunks: 1 + p a frames first, then p b frames each."""
        checked = map(self._ready, chunks)
        for posterior in streaming.encode_stream(self.module, self.params, checked, self._step):
            yield self._normalise(posterior.mean)

    def decode_stream(self, chunks: Iterable[Any]) -> Iterator[jax.Array]:
        """Video of chunks of normalised latents, 1 or more latents each.

        Where ``spec.streaming`` is "reference_chunks" as many as :meth:`encode_stream` gives.
        """
        raw = (self._raw(self._check_latents(chunk)) for chunk in chunks)
        for video in streaming.decode_stream(self.module, self.params, raw, self._step):
            yield video.clip(-1, 1)

    def _decoded(self, raw: jax.Array) -> jax.Array:
        return apply(self.module, "decode_raw", self.params, raw)

    def _normalise(self, raw: jax.Array) -> jax.Array:
        return (raw - self._wide(self.mean)) / self._wide(self.std)

    def _raw(self, latents: Any) -> jax.Array:
        return jnp.asarray(latents, jnp.float32) * self._wide(self.std) + self._wide(self.mean)

    @staticmethod
    def _wide(vector: jax.Array) -> jax.Array:
        return vector.reshape(1, 1, 1, 1, -1)

    def _check_latents(self, latents: Any) -> Any:
        shape = np.shape(latents)
        if len(shape) != 5 or shape[-1] != self.spec.channels or 0 in shape:
            raise ValueError(
                f"latents of {self.spec} are [B, G, h, w, {self.spec.channels}], each at least 1, "
                f"got shape {shape}."
            )
        return latents
