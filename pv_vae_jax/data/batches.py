"""Batches as a function of the step: threads, workers, replacement, the order of an epoch.

    element(step, host, hosts) -> arrays of this host's rows, and what failed               (1)

Equation (1) is pure, and mapped by grain over the steps; so any number of threads, workers and
hosts gives the same order, and a resumed run starts at its step.
"""

import abc
import functools
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import grain
import numpy as np
from absl import flags

from pv_vae_jax.core import rng
from pv_vae_jax.data.buckets import Schedule
from pv_vae_jax.data.clips import ClipError, TooShort

ATTEMPTS = 8  # that fail
SHORT = 1000  # that are too short, where a source cannot tell without reading
LAST_STEP = 2**40

log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=8)
def permutation(seed: int, source: int, epoch: int, length: int) -> np.ndarray:
    """The order of an epoch of a source, ``[length]``.

    Four bytes a clip: 4 MB for a million, kept for two epochs of up to four sources.
    """
    order = rng.host_generator(seed, "epoch", source, epoch).permutation(length)
    return order.astype(np.uint32 if length <= 2**32 else np.int64)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """A process that is killed does not stop its workers itself."""
    parent.join()
    os._exit(1)


def _start_worker(worker: int, workers: int) -> None:
    """A worker never touches an accelerator, shares the cores, and ends with who started it."""
    import cv2
    import jax

    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    os.environ["JAX_PLATFORMS"] = "cpu"
    jax.config.update("jax_platforms", "cpu")
    cv2.setNumThreads(1)


class Batches(abc.ABC):
    """Equation (1) as an endless row of batches.

    Attributes:
      schedule: the bucket of each step.
      seed: of everything that is drawn.
      replaced: clips that failed so far and were replaced, name to (count, last reason).
    """

    kind: ClassVar[type]  # of a batch: it has the fields of an element

    def __init__(self, schedule: Schedule, seed: int):
        self.schedule, self.seed = schedule, seed
        self.replaced: dict[str, tuple[int, str]] = {}

    @property
    @abc.abstractmethod
    def sha256(self) -> str:
        """Of what the clips are made from, hexadecimal: other data, other batches."""

    @abc.abstractmethod
    def element(self, step: int, host: int = 0, hosts: int = 1) -> dict[str, Any]:
        """Equation (1): the fields of a batch, and pairs (name, reason) under ``failed``."""

    def indices(self, step: int, host: int = 0, hosts: int = 1) -> list[int]:
        """The global examples of this host's rows of a step."""
        start = self.schedule.start(step)
        return [start + row for row in self.schedule.bucket(step).rows_of(host, hosts)]

    def read_or_replace(
        self, example: int, j: int, length: int, read: Callable[[int, int], Any]
    ) -> tuple[Any, list[ClipError]]:
        """What ``read(j, 0)`` gives, or a replacement, and the clips that failed before it.

        Attempt ``a > 0`` reads another clip of the ``length`` by ``read(j', a)``, with j' drawn
        from (seed, example, a).
        """
        failed: list[ClipError] = []
        for attempt in range(SHORT):
            if attempt:
                random = rng.host_generator(self.seed, "replacement", example, attempt)
                j = int(random.integers(length))
            try:
                return read(j, attempt), failed
            except ClipError as error:
                failed.append(error)
            if sum(not isinstance(error, TooShort) for error in failed) == ATTEMPTS:
                raise ValueError(
                    f"{ATTEMPTS} clips in a row could not be read for example {example}, the last "
                    f"one {failed[-1]}. Check the files, then start the same command again."
                )
        raise ValueError(
            f"{SHORT} clips in a row were too short for example {example}, the last one "
            f"{failed[-1]}. Give fewer frames, or another source."
        )

    def batches(
        self, start_step: int = 0, host: int = 0, hosts: int = 1, workers: int = 0, threads: int = 2
    ) -> Iterator[Any]:
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
                yield self.kind(**arrays)
        finally:
            iterator.close()  # ends threads and workers

    def _count(self, failed: list[tuple[str, str]]) -> None:
        """Counts replaced clips, and says each one's name once."""
        for name, reason in failed:
            if name not in self.replaced:
                log.warning("%s fails and is replaced by another clip: %s", name, reason)
            self.replaced[name] = (self.replaced.get(name, (0, ""))[0] + 1, reason)
