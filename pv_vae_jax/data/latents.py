"""Latents that were computed once, by launch.prepare_data latents, and batches of them.

    train-00000-of-00003.array_record, held_out-...    records of data/latent_records.py
    classes.json                                       names of the labels by number, if they have
    latents.json                                       the index, written last

The index (data/sealed.py) says whose latents these are (models/identity.py), of which clips, their
type and shape ``(G, h, w, c)``, how many labels there are; by split the shards and the clips that
could not be read; and the moments of the normalised means, which are about 0 and 1:

    (mean - identity.mean) / identity.std                                                   (1)

Example i is record permutation(seed, i div N)[i mod N] of the N records of a split.
"""

import dataclasses
import os
from typing import Any

import numpy as np

from pv_vae_jax.core import storage
from pv_vae_jax.data import latent_records, sealed, shard_index
from pv_vae_jax.data.batch import LatentBatch
from pv_vae_jax.data.batches import Batches, permutation
from pv_vae_jax.data.buckets import Schedule
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.shard_files import ShardFiles

VERSION = 1
NAME = "latents.json"
DOOR = "launch.prepare_data latents"


@dataclasses.dataclass(frozen=True)
class LatentClip:
    """The raw posterior of one clip.

    Attributes:
      mean: ``[G, h, w, c]``, of the type in which it is kept.
      logvar: the same of the log-variance.
      label: the class, -1 for none.
      name: of the record, for errors.
    """

    mean: np.ndarray
    logvar: np.ndarray
    label: int
    name: str


def read_index(folder: Any) -> dict[str, Any]:
    """The index of a folder, checked.

    Raises:
      FileNotFoundError: there is none: nothing was prepared there, or not to its end.
      ValueError: it is damaged or of another version.
      OSError: it cannot be read; the system says why.
    """
    return sealed.read(folder / NAME, VERSION, "latents", DOOR)


class Latents:
    """A split of a folder; no shard is opened before a record of it is read.

    Attributes:
      where: the folder, a path or a URL.
      split: which.
      identity: of the model that made them (models/identity.py).
      clips: what was encoded: frames, height, width, stride, draws, flip, seed, the source.
      shape: ``(G, h, w, c)`` of a clip.
      dtype: "float16" or "bfloat16".
      labels: how many classes there are, 0 for none.
      classes: their names by number, where they have some.
      sha256: of the index.
    """

    def __init__(self, where: str | os.PathLike, split: str = "train"):
        """Reads the index alone; ``split`` is "train" or "held_out".

        Raises:
          FileNotFoundError: no index there (not prepared to its end), or shards are missing.
          ValueError: a damaged index, a shard of another size than it says, or no such split.
          OSError: the folder cannot be read.
        """
        folder = storage.path(storage.absolute(os.path.expanduser(where)))
        index = read_index(folder)
        if split not in index["splits"]:
            there = ", ".join(index["splits"])
            raise ValueError(
                f"{folder} has no split {split!r}; it has: {there}. For a part that is held out "
                f"prepare the latents with --held_out above 0."
            )
        self.where, self.split = str(folder), split
        self.identity, self.clips = index["identity"], index["clips"]
        self.shape, self.dtype = tuple(index["shape"]), index["dtype"]
        self.labels, self.classes = index["labels"], shard_index.classes(folder)
        self.sha256 = index["sha256"]
        self._files = ShardFiles(folder, index["splits"][split]["shards"])

    def __len__(self) -> int:
        return len(self._files)

    def record(self, j: int) -> LatentClip:
        """Record ``j`` of the split; ClipError if it is damaged or gone."""
        data, name = self._files.read(j), f"{self.where}/{self._files.name_of(j)}"
        header, mean, logvar = latent_records.decode(data, self.shape, self.dtype, name)
        return LatentClip(mean, logvar, header.label, f"{name} ({header.key})")


class LatentData(Batches):
    """Batches of latents for training.

    Attributes:
      latents: where they come from.
      schedule: one bucket of h x w latents.
      refused: nothing.
      classes: the names of the labels under "Latents", where they have some.
      replaced: records that failed so far and were replaced, name to (count, last reason).
    """

    kind = LatentBatch

    def __init__(self, latents: Latents, batch: int, seed: int):
        """Prepares the schedule; ``batch`` is over all hosts, ``seed`` of the order."""
        _, height, width, _ = latents.shape
        super().__init__(Schedule([(height, width, batch)], seed), seed)
        self.latents = latents
        self.refused: dict[str, str] = {}
        self.classes = {"Latents": latents.classes} if latents.classes else {}

    @property
    def labelled(self) -> bool:
        """Whether latents have labels."""
        return bool(self.latents.labels)

    @property
    def sha256(self) -> str:
        """Of the index of the latents."""
        return self.latents.sha256

    def example(self, example: int) -> tuple[LatentClip, list[ClipError]]:
        """The record of an example, and those that failed before it."""
        length = len(self.latents)
        epoch, place = divmod(example, length)
        j = int(permutation(self.seed, 0, epoch, length)[place])
        return self.read_or_replace(example, j, length, lambda j, _: self.latents.record(j))

    def element(self, step: int, host: int = 0, hosts: int = 1) -> dict[str, Any]:
        """The arrays of a :class:`LatentBatch`, and the failures under ``failed``."""
        indices = self.indices(step, host, hosts)
        made = [self.example(index) for index in indices]
        return {
            "mean": np.stack([clip.mean for clip, _ in made]),
            "logvar": np.stack([clip.logvar for clip, _ in made]),
            "index": np.array([index % 2**32 for index in indices], np.uint32),
            "label": np.array([clip.label for clip, _ in made], np.int32),
            "failed": [(error.name, error.reason) for _, failed in made for error in failed],
        }
