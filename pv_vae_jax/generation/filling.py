"""What is missing in a folder of samples: latents first, then videos.

    latents_i = draw(generator, seed, i, label_i) | noise(seed, i) | gaussian(seed, i)       (1)
    video_i   = decode(latents_i)                                                            (2)

Each function makes those samples of this host that the folder lacks, so a killed command goes on.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import tqdm

from pv_vae_jax.core import trees
from pv_vae_jax.data.latents import Latents
from pv_vae_jax.generation import baselines, drawing, sampler
from pv_vae_jax.generation.folder import DECODER, SamplesFolder
from pv_vae_jax.models import identity
from pv_vae_jax.models.generator import Generator, LatentForm
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import local


def draw(
    out: SamplesFolder,
    generator: Generator,
    settings: sampler.Sampling,
    seed: int,
    labels: np.ndarray | None,
    told: str | None,
    mine: Sequence[int],
    batch: int,
) -> None:
    """Equation (1) by a generator.

    Args:
      out: the folder.
      generator: its parameters are placed whole on each device.
      settings: how samples are drawn.
      seed: of the samples.
      labels: int ``[count]`` of all samples, or None without classes.
      told: what the labels are, for the folder.
      mine: numbers of the samples of this host.
      batch: samples at once.

    Raises:
      ValueError: the folder holds other samples, or the settings do not fit the generator.
    """
    about = {
        "generator": generator.config,
        "parameters": trees.digest(generator.params),
        "latents": generator.latents.as_dict(),
        "seed": seed,
        "settings": dataclasses.asdict(settings),
        "labels": told,
    }
    drawn = drawing.Drawing(generator, seed, settings)
    out.open(about, write=jax.process_index() == 0)
    missing = out.without_latents(mine)
    chosen = None if labels is None else labels[missing]
    numbers = iter(missing)
    with _bar("latents", mine, missing) as bar:
        for made in drawn.latents(missing, chosen, _at_once(batch, mine)):
            for latents in made:
                out.keep(next(numbers), latents)
            bar.update(len(made))


def baseline(
    out: SamplesFolder, kind: str, vae: VideoVAE, kept: Latents, seed: int, mine: Sequence[int]
) -> None:
    """Equation (1) without a generator.

    Args:
      out: the folder.
      kind: "noise", or "gaussian", fitted to the latents that are kept.
      vae: whose latents they are.
      kept: the latents.
      seed: of the samples.
      mine: numbers of the samples of this host.

    Raises:
      ValueError: the folder holds other samples, or the latents are of another video VAE.
    """
    identity.check(identity.identity(vae), kept.identity, f"the latents of {kept.where}")
    form = LatentForm(kept.identity, kept.shape, tuple(kept.classes), kept.dtype)
    about = {"baseline": kind, "latents": form.as_dict(), "seed": seed}
    about |= {"clips": kept.clips, "count": len(kept)} if kind == "gaussian" else {}
    out.open(about, write=jax.process_index() == 0)
    missing = out.without_latents(mine)
    if not missing:
        return
    if kind == "noise":
        made = baselines.noise(kept.shape, seed, missing)
    else:
        made = baselines.gaussian(_Normalised(kept, vae), seed, missing)
    for number, latents in zip(missing, made, strict=True):
        out.keep(number, latents)


class _Normalised(Sequence):
    """Means of kept latents, normalised, each read when it is asked for."""

    def __init__(self, kept: Latents, vae: VideoVAE):
        self._kept, self._mean, self._std = kept, np.asarray(vae.mean), np.asarray(vae.std)

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, n: int) -> np.ndarray:
        return (self._kept.record(n).mean.astype(np.float32) - self._mean) / self._std


def decode(
    out: SamplesFolder,
    drawn: SamplesFolder,
    vae: VideoVAE,
    rate: float,
    mine: Sequence[int],
    batch: int,
    lossless: bool = False,
) -> None:
    """Equation (2).

    Args:
      out: folder of the videos.
      drawn: folder of the latents, the same or another.
      vae: what decodes.
      rate: frames per second.
      mine: numbers of the samples of this host.
      batch: samples at once.
      lossless: whether films have the very pixels.

    Raises:
      ValueError: the folder holds other videos.
    """
    decoder = trees.digest(trees.partition(vae.params, "^decoder/")[0])
    about: dict[str, Any] = {"model": vae.config, "decoder": decoder, "rate": rate}
    if lossless:
        about["lossless"] = True
    if drawn.where != out.where:
        about["latents"] = drawn.about()  # films of other samples are others
    out.open(about, DECODER, jax.process_index() == 0)
    missing, decode_batch = out.without_video(mine), drawing.Decoder(vae)
    batch = local.rounded_up(_at_once(batch, mine))
    with _bar("videos", mine, missing) as bar:
        for start in range(0, len(missing), batch):
            numbers = missing[start : start + batch]
            latents = [drawn.read(i) for i in numbers]
            latents += latents[:1] * (batch - len(numbers))
            videos = decode_batch(np.stack(latents))[: len(numbers)]
            for i, video in zip(numbers, videos, strict=True):
                out.write_video(i, video, rate, lossless)
            bar.update(len(numbers))


def _at_once(batch: int, mine: Sequence[int]) -> int:
    """No more than there are; one program, whatever a killed command has left of them."""
    return max(1, min(batch, len(mine)))


def _bar(what: str, mine: Sequence[int], missing: Sequence[int]) -> tqdm.tqdm:
    done = len(mine) - len(missing)
    return tqdm.tqdm(total=len(mine), initial=done, desc=what, unit="sample", disable=None)
