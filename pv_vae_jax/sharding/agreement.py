"""Whether all processes of a program say the same."""

from collections.abc import Sequence

import numpy as np
from jax.experimental import multihost_utils

BYTES = 8  # of a digest


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
