"""The resolution bucket of a step: a function of (seed, step), the same on every host.

    cycle = step div N,   place = step mod N,   bucket(step) = arrangement(seed, cycle)[place]
    start(step) = cycle * sum_n batch_n + sum_{n < place} batch(arrangement(seed, cycle)[n])    (1)

A cycle holds each bucket ``weight`` times, N in all, in an order drawn for the cycle.  So the
global index of the first example of any step, equation (1), is known without counting from 0.
"""

import dataclasses
import functools
from collections.abc import Sequence

from pv_vae_jax.core import rng


@dataclasses.dataclass(frozen=True)
class Bucket:
    """One shape of the batch: rows, columns, clips over all hosts, and how often in a cycle."""

    height: int
    width: int
    batch: int
    weight: int = 1

    def __post_init__(self):
        for field, value in dataclasses.asdict(self).items():
            if value < 1 or value != int(value):
                raise ValueError(f"the {field} of a bucket is a whole number from 1, got {value}.")

    def rows_of(self, host: int, hosts: int) -> range:
        """The rows of the global batch that ``host`` makes: the ``host``-th block.

        Raises:
          ValueError: the batch does not divide among the hosts.
        """
        if self.batch % hosts:
            below = self.batch // hosts * hosts
            nearest = f"{below} or {below + hosts}" if below else f"{hosts}"
            raise ValueError(
                f"a batch of {self.batch} clips at {self.height}x{self.width} does not divide "
                f"among {hosts} hosts; use {nearest}."
            )
        share = self.batch // hosts
        return range(host * share, (host + 1) * share)


@functools.lru_cache(maxsize=64)
def _arrangement(seed: int, cycle: int, weights: tuple[int, ...]) -> tuple[int, ...]:
    places = [number for number, weight in enumerate(weights) for _ in range(weight)]
    return tuple(rng.host_generator(seed, "buckets", cycle).permutation(places).tolist())


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Which bucket each step uses, equation (1)."""

    buckets: tuple[Bucket, ...]
    seed: int

    def __init__(self, buckets: Sequence[Bucket | tuple], seed: int):
        """Takes buckets or tuples (height, width, batch[, weight])."""
        if not buckets:
            raise ValueError("at least one bucket (height, width, batch) is needed, got none.")
        known = tuple(b if isinstance(b, Bucket) else Bucket(*b) for b in buckets)
        object.__setattr__(self, "buckets", known)
        object.__setattr__(self, "seed", seed)

    def _of_cycle(self, cycle: int) -> list[Bucket]:
        weights = tuple(bucket.weight for bucket in self.buckets)
        return [self.buckets[number] for number in _arrangement(self.seed, cycle, weights)]

    def _split(self, step: int) -> tuple[int, int]:
        if step < 0:
            raise ValueError(f"a step is a number from 0, got {step}.")
        return divmod(step, sum(bucket.weight for bucket in self.buckets))

    def bucket(self, step: int) -> Bucket:
        """The bucket of a step."""
        cycle, place = self._split(step)
        return self._of_cycle(cycle)[place]

    def start(self, step: int) -> int:
        """The global index of the first example of a step, equation (1)."""
        cycle, place = self._split(step)
        whole = sum(bucket.weight * bucket.batch for bucket in self.buckets)
        return cycle * whole + sum(bucket.batch for bucket in self._of_cycle(cycle)[:place])
