"""The input pipeline: its position is one integer, the step.

    step -> bucket, first example i0 (data/buckets.py)
    example i -> source, clip, draw, mask: functions of (seed, i)                       (1)
    element(step) = the examples i0 + rows of this host                                 (2)

Equation (2) is pure; data/batches.py maps it over the steps.

    source of i: a fixed interleave of period W = sum of weights;  its n-th example is clip
    permutation(seed, source, n div length)[n mod length]                               (3)
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from pv_vae_jax.core import dims
from pv_vae_jax.data.batch import Batch
from pv_vae_jax.data.batches import Batches, permutation
from pv_vae_jax.data.buckets import Bucket, Schedule
from pv_vae_jax.data.clips import Augment, Clip, ClipError, Draw
from pv_vae_jax.data.sources import Source
from pv_vae_jax.withholding import Withholding


def _interleave(weights: Sequence[int]) -> list[int]:
    """Each source ``weight`` times, spread evenly: 0 1 0 2 0 1 0 for weights 4, 2, 1 and so on."""
    places = [((n + 0.5) / w, s) for s, w in enumerate(weights) for n in range(w)]
    return [source for _, source in sorted(places)]


class TrainingData(Batches):
    """Batches for training or evaluation.

    Attributes:
      sources: what the clips come from.
      schedule: the bucket of each step.
      refused: files that are not used, name to reason.
      classes: kind of source to the names of its labels by number, where they have names.
      replaced: clips that failed so far and were replaced, name to (count, last reason).
    """

    kind = Batch

    def __init__(
        self,
        sources: Sequence[Source | tuple[Source, int]],
        buckets: Sequence[Bucket | tuple],
        frames: int,
        temporal: int,
        withholding: Withholding,
        seed: int,
        augment: Augment | None,
        spatial: int = 16,
    ):
        """Prepares the schedule; no clip is read yet.

        Args:
          sources: sources, or pairs (source, weight) with whole weights from 1.
          buckets: buckets, or tuples (height, width, batch[, weight]).
          frames: T, ``1 + temporal n``.
          temporal: frames per group.
          withholding: what is withheld.
          seed: of everything that is drawn.
          augment: how clips are drawn; None for the plain draw, in the sources' own order.
          spatial: pixels per latent row and column.
        """
        pairs = [pair if isinstance(pair, tuple) else (pair, 1) for pair in sources]
        if not pairs:
            raise ValueError("training data needs at least one source, got none.")
        for _, weight in pairs:
            if weight < 1 or weight != int(weight):
                raise ValueError(f"a source's weight is a whole number from 1, got {weight}.")
        self.sources = [source.of_length(frames) for source, _ in pairs]
        self.refused = {n: why for s in self.sources for n, why in s.refused.items()}
        named = {type(s).__name__: s.classes for s in self.sources}
        self.classes = {kind: tuple(names) for kind, names in named.items() if names}
        super().__init__(Schedule(buckets, seed), seed)
        self.frames, self.groups = frames, dims.groups_of(frames, temporal)
        self.withholding, self.augment, self.spatial = withholding, augment, spatial
        self._turns = _interleave([int(weight) for _, weight in pairs])

    @property
    def labelled(self) -> bool:
        """Whether clips of any source have labels."""
        return any(source.labelled for source in self.sources)

    @property
    def sha256(self) -> str:
        """Of the sources: what each says of itself, and how many clips it has."""
        told = [(type(each).__name__, each.sha256, len(each)) for each in self.sources]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def which(self, example: int) -> tuple[int, int]:
        """The source and the clip of an example, equation (3)."""
        period, turn = divmod(example, len(self._turns))
        number = self._turns[turn]
        per_period, before = self._turns.count(number), self._turns[:turn].count(number)
        length = len(self.sources[number])
        epoch, place = divmod(period * per_period + before, length)
        if self.augment is None:
            return number, place
        return number, int(permutation(self.seed, number, epoch, length)[place])

    def example(self, example: int, height: int, width: int) -> tuple[Clip, list[ClipError]]:
        """The clip of an example, and those that failed before it.

        Attempt ``a > 0`` draws another clip of the same source from (seed, example, a).
        """
        number, j = self.which(example)
        source = self.sources[number]

        def read(j: int, attempt: int) -> Clip:
            draw = Draw()
            if self.augment is not None:
                draw = self.augment.draw(self.seed, example, attempt)
            return source.clip(j, draw, self.frames, height, width)

        return self.read_or_replace(example, j, len(source), read)

    def observed(self, step: int, example: int) -> np.ndarray:
        """What is seen of an example at a step: bool ``[G, h', w']``."""
        bucket = self.schedule.bucket(step)
        grid = (self.groups, bucket.height // self.spatial, bucket.width // self.spatial)
        return self.withholding.observed_at(self.seed, step, example, grid)

    def element(self, step: int, host: int = 0, hosts: int = 1) -> dict:
        """Equation (2) as NumPy arrays, with the failures under ``failed``."""
        bucket, indices = self.schedule.bucket(step), self.indices(step, host, hosts)
        made = [self.example(index, bucket.height, bucket.width) for index in indices]
        masks = [self.observed(step, index) for index in indices]
        return {
            "video": np.stack([clip.video for clip, _ in made]),
            "observed": np.stack(masks),
            "index": np.array([index % 2**32 for index in indices], np.uint32),
            "label": np.array([clip.label for clip, _ in made], np.int32),
            "failed": [(error.name, error.reason) for _, failed in made for error in failed],
        }
