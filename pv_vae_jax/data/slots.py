"""Which frames of a file or record a clip is: a slot of it, a place in the slot, a stride.

A piece of L frames counts for ``max(1, L div every)`` clips, its slots; clip ``q`` of ``slots``:

    stride = min(drawn, (L - 1) div (T - 1)),   start = floor((q + draw.start) * L / slots)  (1)

and start is at most ``L - 1 - (T - 1) stride``; so an epoch passes each part of each piece about
once, whatever their lengths.
"""

import math

import numpy as np

from pv_vae_jax.data.clips import Draw


def ends(lengths: np.ndarray, every: int) -> np.ndarray:
    """int64 ``[n]``: the clips of the pieces up to and with each, for int ``lengths [n]``."""
    return np.cumsum(np.maximum(1, np.asarray(lengths, np.int64) // every))


def place(ends_of: np.ndarray, j: int) -> tuple[int, int, int]:
    """Of clip ``j``: the piece, the slot in it, and how many slots the piece has."""
    number = int(np.searchsorted(ends_of, j, side="right"))
    before = int(ends_of[number - 1]) if number else 0
    return number, j - before, int(ends_of[number]) - before


def frames(length: int, slot: int, slots: int, draw: Draw, wanted: int) -> np.ndarray:
    """int64 ``[wanted]``: the frames of a clip in a piece of ``length`` frames, equation (1)."""
    stride = min(draw.stride, (length - 1) // max(1, wanted - 1)) if wanted > 1 else 1
    start = math.floor((slot + draw.start) * length / slots)
    start = min(start, length - 1 - (wanted - 1) * stride)
    return start + stride * np.arange(wanted)
