"""Whether all processes of a program say the same, and where they wait for one another."""

import itertools
from collections.abc import Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils

BYTES = 8  # of a digest
DAY = 24 * 3_600_000  # milliseconds
_waits = itertools.count()


def wait(what: str) -> None:
    """Waits for the other processes, up to a day; all call it together, in one order.

    A collective of devices gives up on a slow process long before; a dead one ends this, too.
    """
    if jax.process_count() > 1:
        from orbax.checkpoint import multihost

        multihost.get_barrier_sync_fn()(key=f"{what} {next(_waits)}", timeout_ms=DAY)


def told(values: Sequence[int]) -> np.ndarray:
    """Whole numbers of each process, ``[processes, N]``; all call it together."""
    mine = np.asarray(values, np.uint32)
    return np.asarray(multihost_utils.process_allgather(mine)).reshape(-1, len(mine))


def unlike_first(digests: Sequence[bytes]) -> list[list[int]]:
    """For each digest the processes whose own is not that of process 0; all call it together.

    Args:
      digests: of 8 bytes or more, as many on each process.
    """
    mine = np.frombuffer(b"".join(digest[:BYTES] for digest in digests), np.uint32)
    everyone = told(mine).reshape(-1, len(digests), BYTES // 4)
    other = np.any(everyone != everyone[:1], axis=-1)  # [processes, digests]
    return [np.flatnonzero(column).tolist() for column in other.T]
