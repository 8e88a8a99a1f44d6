"""Samples of a generator on all devices of this host.

    latents[i] = sample(seed, i, label[i]),    video[i] = decoder(latents[i])               (1)

Whole batches always, the last filled up and cut, so there is one program; a sample depends on its
seed and index only.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from pv_vae_jax.core import pixels
from pv_vae_jax.generation import sampler
from pv_vae_jax.models.generator import Generator
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import local


def labels_in_turn(classes: int, count: int) -> np.ndarray | None:
    """Sample i of class ``i mod classes``; int32 ``[count]``, None without classes."""
    return np.arange(count, dtype=np.int32) % classes if classes else None


def check(settings: sampler.Sampling, classes: int) -> None:
    """Raises ValueError for guidance without classes."""
    if settings.guidance != 1.0 and not classes:
        raise ValueError(
            f"guidance = {settings.guidance} needs labels to guide by; this generator is "
            "unconditional: give 1."
        )


class Drawing:
    """Equation (1) of one generator.

    Attributes:
      generator: the generator, its parameters whole on each device of this host.
      seed: of the samples.
      settings: how they are drawn.
      shape: ``(G, h, w, c)`` of a sample.
    """

    def __init__(
        self,
        generator: Generator,
        seed: int,
        settings: sampler.Sampling,
    ):
        """Places the parameters.

        Raises:
          ValueError: guidance without classes.
        """
        check(settings, generator.classes)
        self.generator, self.seed, self.settings = generator, seed, settings
        self.shape = tuple(generator.latents.shape)
        self._params = local.whole(generator.params)

    def latents(
        self,
        indices: Sequence[int],
        labels: np.ndarray | None,
        batch: int,
        observed: np.ndarray | None = None,
        known: np.ndarray | None = None,
    ) -> Iterator[np.ndarray]:
        """Normalised latents of samples, float32 ``[n, G, h, w, c]`` a batch, in order.

        Args:
          indices: which samples.
          labels: int ``[N]`` of them, below 0 for none; None for an unconditional generator.
          batch: samples at once, rounded up to a multiple of the devices.
          observed: bool ``[N, G]``, groups that are given (sampler.py, equation (2)).
          known: normalised latents ``[N, G, h, w, c]`` of them.

        Raises:
          ValueError: a label that the generator does not know, or shapes that do not fit.
        """
        if batch < 1:
            raise ValueError(f"a batch has at least 1 sample, got {batch}.")
        indices = np.asarray(indices, np.uint32)
        labels = self.generator.conditioned(labels, len(indices))
        size = local.rounded_up(batch)
        for first in range(0, len(indices), size):
            rows = np.minimum(np.arange(first, first + size), len(indices) - 1)
            own = [
                None if array is None else local.split(np.asarray(array)[rows])
                for array in (indices, labels, observed, known)
            ]
            drawn = sampler.sample(
                self.generator.velocity,
                self._params,
                self.seed,
                own[0],
                self.shape,
                own[1],
                self.generator.classes,
                self.settings,
                *own[2:],
            )
            yield np.asarray(jax.device_get(drawn))[: len(indices) - first]


def sample(
    generator: Generator, count: int, seed: int = 0, labels: Sequence[int] | None = None,
    batch: int = 8, **settings: Any,
) -> np.ndarray:  # fmt: skip
    """The first samples of a seed, in one call.

    Args:
      generator: the generator.
      count: how many.
      seed: of the samples; sample i depends on it and on i alone.
      labels: their classes ``[count]``, below 0 for none; by default all classes in turn.
      batch: samples at once.
      **settings: of :class:`~pv_vae_jax.generation.sampler.Sampling`: steps, solver, guidance.

    Returns:
      Normalised latents, float32 ``[count, G, h, w, c]``, as ``VideoVAE.decode`` takes them.

    Raises:
      ValueError: fewer than 1, a label or a setting that cannot be.
    """
    if count < 1:
        raise ValueError(f"at least 1 sample is drawn, got {count}.")
    drawn = Drawing(generator, seed, sampler.Sampling(**settings))
    given = labels_in_turn(generator.classes, count) if labels is None else np.asarray(labels)
    if given is not None and len(given) != count:
        raise ValueError(f"each of {count} samples has one label, got {len(given)} of them.")
    return np.concatenate(list(drawn.latents(range(count), given, min(batch, count))))


class Decoder:
    """The second half of equation (1)."""

    def __init__(self, vae: VideoVAE):
        """Places the parameters."""
        self._vae = vae.on_all_devices()

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Videos of normalised latents ``[n, G, h, w, c]``: uint8 ``[n, T, H, W, 3]``."""
        count = len(latents)
        rows = np.minimum(np.arange(local.rounded_up(count)), count - 1)
        video = self._vae.decode(local.split(np.asarray(latents)[rows]))
        return pixels.eight_bits(video)[:count]
