"""Posteriors of any number of clips, on all devices of this host, by one program.

    batches of B clips, the last filled up and cut;    B = clips on each device x devices     (1)

While a batch is fetched and written, the next is on its way.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from pv_vae_jax.data.latent_records import Header
from pv_vae_jax.generation.caching.clips import Made
from pv_vae_jax.interface import Posterior
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import local


class Encoder:
    """Equation (1)."""

    def __init__(self, vae: VideoVAE, batch: int):
        """Copies the parameters of ``vae`` to all devices, each of which gets ``batch`` clips."""
        self._count = batch * local.devices()
        self._vae = vae.on_all_devices()

    def __call__(self, clips: Iterator[Made]) -> Iterator[tuple[Header, Posterior]]:
        """Each header with its raw posterior, NumPy float32 ``[G, h, w, c]``, in order."""
        before: tuple[list[Header], Posterior] | None = None
        while group := list(itertools.islice(clips, self._count)):
            videos = [video for _, video in group]
            videos += videos[:1] * (self._count - len(videos))
            posterior = self._vae.posterior(local.split(np.stack(videos)))
            begun = [header for header, _ in group], posterior
            if before:
                yield from _apart(*before)
            before = begun
        if before:
            yield from _apart(*before)


def _apart(headers: list[Header], posterior: Posterior) -> Iterator[tuple[Header, Posterior]]:
    mean, logvar = np.asarray(posterior.mean), np.asarray(posterior.logvar)
    for header, *each in zip(headers, mean, logvar, strict=False):  # without those that fill up
        yield header, Posterior(*each)
