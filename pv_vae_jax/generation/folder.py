"""A folder of samples: latents first, then videos.

    generation.json           what made them: generator, its latents, seed, settings, labels
    latents/000007.npy        normalised latents of sample 7, float32 [G, h, w, c]
    decoder.json              which video VAE decoded them
    videos/000007.mp4         sample 7, H.264, of RGB where nothing may be lost

Every file appears whole or not at all, so a killed run goes on with what is missing, and hosts
share a folder.  Latents are of a seed, an index and a generator; another decoder of the same
latents decodes them again elsewhere without drawing anew.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pv_vae_jax.core import json_files, storage
from pv_vae_jax.data import video_files

ABOUT, DECODER = "generation.json", "decoder.json"


class SamplesFolder:
    """One folder; nothing is made before something is written."""

    def __init__(self, where: storage.Where):
        self.where = storage.path(where)
        self.latents, self.videos = self.where / "latents", self.where / "videos"

    def open(self, about: dict[str, Any], name: str = ABOUT, write: bool = True) -> None:
        """Says what is in it, or checks that it says the same.

        Args:
          about: JSON values.
          name: ``ABOUT`` for the latents, ``DECODER`` for the videos.
          write: False on all hosts but one.

        Raises:
          ValueError: the folder holds other samples.
        """
        about, path = json.loads(json.dumps(about)), self.where / name
        if storage.exists(path):
            known = json_files.read(path)
            other = [key for key in {*known, *about} if known.get(key) != about.get(key)]
            if other:
                raise ValueError(
                    f"{self.where} holds other samples: {', '.join(sorted(other))} differ from "
                    f"{path.name}. Use another --out."
                )
        elif write:
            storage.make_folder(self.where)
            storage.write(path, json.dumps(about, indent=1) + "\n")

    def about(self) -> dict[str, Any]:
        """What made the latents.

        Raises:
          FileNotFoundError: it is no folder of samples.
        """
        path = self.where / ABOUT
        if not storage.exists(path):
            raise FileNotFoundError(
                f"{self.where} has no {ABOUT}: give a folder that launch.generate made."
            )
        return json_files.read(path)

    def without_latents(self, indices: Sequence[int]) -> list[int]:
        """Those of the samples whose latents are missing."""
        return [i for i in indices if not storage.exists(self._latents_of(i))]

    def without_video(self, indices: Sequence[int]) -> list[int]:
        """Those of the samples that are not decoded."""
        return [i for i in indices if not storage.exists(self.video_of(i))]

    def keep(self, index: int, latents: np.ndarray) -> None:
        """Writes the latents of a sample."""
        with storage.whole(self._latents_of(index)) as partial, partial.open("wb") as file:
            np.save(file, latents.astype(np.float32), allow_pickle=False)

    def read(self, index: int) -> np.ndarray:
        """The latents of a sample."""
        with storage.opened(self._latents_of(index)) as file:
            return np.load(file, allow_pickle=False)

    def write_video(
        self, index: int, video: np.ndarray, rate: float, lossless: bool = False
    ) -> None:
        """Writes a sample, uint8 ``[T, H, W, 3]``."""
        kind = video_files.LOSSLESS if lossless else video_files.MP4
        video_files.write(self.video_of(index), [video], rate, kind)

    def _latents_of(self, index: int) -> Any:
        return self.latents / f"{index:06d}.npy"

    def video_of(self, index: int) -> Any:
        """The film of a sample."""
        return self.videos / f"{index:06d}.mp4"
