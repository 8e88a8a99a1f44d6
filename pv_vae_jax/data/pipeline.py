"""The input pipeline: its position is one integer, the step.

    step -> bucket, first example i0 (data/buckets.py)
    example i -> source, clip, draw, mask: functions of (seed, i)                       (1)
    element(step) = the examples i0 + rows of this host                                 (2)

Equation (2) is a pure function of (seed, step, host, hosts), mapped by grain over the steps; so any
number of threads, workers and hosts gives the same order, and a resumed run starts at its step.

    source of i: a fixed interleave of period W = sum of weights;  its n-th example is clip
    permutation(seed, source, n div length)[n mod length]                               (3)
"""

import functools
import logging
import os
from collections.abc import Iterator, Sequence

import grain
import numpy as np
from absl import flags

from pv_vae_jax.core import dims, rng
from pv_vae_jax.data.batch import Batch
from pv_vae_jax.data.buckets import Bucket, Schedule
from pv_vae_jax.data.clips import Augment, Clip, ClipError, Draw
from pv_vae_jax.data.sources import Source
from pv_vae_jax.withholding import Withholding

ATTEMPTS = 8
LAST_STEP = 2**40

log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=8)
def _permutation(seed: int, source: int, epoch: int, length: int) -> np.ndarray:
    """Four bytes a clip: 4 MB for a million, kept for two epochs of up to four sources."""
    order = rng.host_generator(seed, "epoch", source, epoch).permutation(length)
    return order.astype(np.uint32 if length <= 2**32 else np.int64)


def _interleave(weights: Sequence[int]) -> list[int]:
    """Each source ``weight`` times, spread evenly: 0 1 0 2 0 1 0 for weights 4, 2, 1 and so on."""
    places = [((n + 0.5) / w, s) for s, w in enumerate(weights) for n in range(w)]
    return [source for _, source in sorted(places)]


def _start_worker(worker: int, workers: int) -> None:
    """A worker never touches an accelerator, and shares the cores with the others."""
    import cv2
    import jax

    os.environ["JAX_PLATFORMS"] = "cpu"
    jax.config.update("jax_platforms", "cpu")
    cv2.setNumThreads(1)


class TrainingData:
    """Batches for training or evaluation.

    Attributes:
      sources: what the clips come from.
      schedule: the bucket of each step.
      refused: files that are not used, name to reason.
      classes: kind of source to the names of its labels by number, where they have names.
      replaced: clips that failed so far and were replaced, name to (count, last reason).
    """

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
        named = {type(s).__name__: getattr(s, "classes", ()) for s in self.sources}
        self.classes = {kind: tuple(names) for kind, names in named.items() if names}
        self.schedule = Schedule(buckets, seed)
        self.frames, self.groups = frames, dims.groups_of(frames, temporal)
        self.withholding, self.seed, self.augment = withholding, seed, augment
        self.spatial = spatial
        self.replaced: dict[str, tuple[int, str]] = {}
        self._turns = _interleave([int(weight) for _, weight in pairs])

    def which(self, example: int) -> tuple[int, int]:
        """The source and the clip of an example, equation (3)."""
        period, turn = divmod(example, len(self._turns))
        number = self._turns[turn]
        per_period, before = self._turns.count(number), self._turns[:turn].count(number)
        length = len(self.sources[number])
        epoch, place = divmod(period * per_period + before, length)
        if self.augment is None:
            return number, place
        return number, int(_permutation(self.seed, number, epoch, length)[place])

    def example(self, example: int, height: int, width: int) -> tuple[Clip, list[ClipError]]:
        """The clip of an example, and those that failed before it.

        Attempt ``a > 0`` draws another clip of the same source from (seed, example, a).
        """
        number, j = self.which(example)
        source, failed = self.sources[number], []
        for attempt in range(ATTEMPTS):
            draw = (
                Draw() if self.augment is None else self.augment.draw(self.seed, example, attempt)
            )
            if attempt:
                random = rng.host_generator(self.seed, "replacement", example, attempt)
                j = int(random.integers(len(source)))
            try:
                return source.clip(j, draw, self.frames, height, width), failed
            except ClipError as error:
                failed.append(error)
        raise ValueError(
            f"{ATTEMPTS} clips in a row could not be read for example {example}, the last one "
            f"{failed[-1]}. Check the files, then start the same command again."
        )

    def observed(self, step: int, example: int) -> np.ndarray:
        """What is seen of an example at a step: bool ``[G, h', w']``."""
        bucket = self.schedule.bucket(step)
        grid = (self.groups, bucket.height // self.spatial, bucket.width // self.spatial)
        return self.withholding.observed_at(self.seed, step, example, grid)

    def element(self, step: int, host: int = 0, hosts: int = 1) -> dict:
        """Equation (2) as NumPy arrays, with the failures under ``failed``."""
        bucket, start = self.schedule.bucket(step), self.schedule.start(step)
        indices = [start + row for row in bucket.rows_of(host, hosts)]
        made = [self.example(index, bucket.height, bucket.width) for index in indices]
        masks = [self.observed(step, index) for index in indices]
        return {
            "video": np.stack([clip.video for clip, _ in made]),
            "observed": np.stack(masks),
            "index": np.array([index % 2**32 for index in indices], np.uint32),
            "label": np.array([clip.label for clip, _ in made], np.int32),
            "failed": [(error.name, error.reason) for _, failed in made for error in failed],
        }

    def batches(
        self, start_step: int = 0, host: int = 0, hosts: int = 1, workers: int = 0, threads: int = 2
    ) -> Iterator[Batch]:
        """The batches of one host from ``start_step`` on, without end.

        Args:
          start_step: the first step; nothing before it is read.
          host: which of ``hosts`` this is.
          hosts: how many share each global batch, in contiguous blocks of rows.
          workers: processes that make batches; 0 makes them in threads of this one.  The main
            module of the program is imported by each, so it needs ``if __name__ == "__main__"``.
          threads: threads of each process; 0 makes each batch when it is asked for.
        """
        for bucket in self.schedule.buckets:
            bucket.rows_of(host, hosts)
        steps = grain.MapDataset.range(start_step, LAST_STEP)
        element = functools.partial(self.element, host=host, hosts=hosts)
        elements = steps.map(element).to_iter_dataset(
            grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
        )
        if workers:
            if not flags.FLAGS.is_parsed():
                flags.FLAGS.mark_as_parsed()  # grain reads flags of its own
            options = grain.MultiprocessingOptions(num_workers=workers)
            elements = elements.mp_prefetch(options, worker_init_fn=_start_worker)
        iterator = iter(elements)
        try:
            for arrays in iterator:
                self._count(arrays.pop("failed"))
                yield Batch(**arrays)
        finally:
            iterator.close()  # ends threads and workers

    def _count(self, failed: list[tuple[str, str]]) -> None:
        """Counts replaced clips, and says each one's name once."""
        for name, reason in failed:
            if name not in self.replaced:
                log.warning("%s fails and is replaced by another clip: %s", name, reason)
            self.replaced[name] = (self.replaced.get(name, (0, ""))[0] + 1, reason)
