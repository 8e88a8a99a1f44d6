"""One letter, one meaning.

    B T H W C   pixels:  clips in the batch, frames, rows, columns, channels (3)
    B t h w c   latents: clips, latent steps, rows, columns, channels
    G           groups of frames; a clip has as many groups as latent steps (t = G)
    k           withheld groups, and nothing else

    T = 1 + p (G - 1)                                                           (1)

Frame 0 is group 0 alone, every later group is ``p`` frames (``p = 4`` in the paper).  ``T`` counts
*all* frames; the paper writes a clip as ``1 + T``.
Reference: "Video Generation with Predictive Latents" (arXiv 2605.02134), section 3.
"""

import numpy as np


def lengths_around(frames: int, temporal: int) -> tuple[int, int]:
    """The nearest valid lengths, equation (1): at most ``frames`` and at least ``frames``."""
    below = 1 + max(0, (frames - 1) // temporal) * temporal
    return below, below if below >= frames else below + temporal


def groups_of(frames: int, temporal: int) -> int:
    """G of a clip of ``frames`` frames.

    Raises:
      ValueError: the length is not ``1 + temporal * n``; the message names the nearest ones.
    """
    below, above = lengths_around(frames, temporal)
    if frames != below:
        nearest = f"pad to {above}" if frames < 1 else f"cut to {below} or pad to {above}"
        raise ValueError(
            f"a clip has 1 + {temporal}n frames, got {frames}: {nearest} (repeat the last frame)."
        )
    return 1 + (frames - 1) // temporal


def frames_of(groups: int, temporal: int) -> int:
    """T of a clip of ``groups`` groups, equation (1)."""
    if groups < 1:
        raise ValueError(f"a clip has at least 1 group, got {groups}.")
    return 1 + temporal * (groups - 1)


def sizes_around(size: int, spatial: int) -> tuple[int, int]:
    """The nearest positive multiples of ``spatial``: at most ``size``, and at least ``size``."""
    below = max(spatial, size // spatial * spatial)
    return below, below if below >= size else below + spatial


def check_size(height: int, width: int, spatial: int) -> None:
    """Raises ValueError, naming the nearest size, if a side is not a multiple of ``spatial``."""
    for name, size in (("height", height), ("width", width)):
        below, above = sizes_around(size, spatial)
        if size != below or size < 1:
            nearest = f"crop to {below} or pad to {above}" if below < size else f"pad to {above}"
            raise ValueError(
                f"the {name} of a clip is a multiple of {spatial}, got {size}: {nearest}."
            )


def group_of_frame(frames: int, temporal: int) -> np.ndarray:
    """The group of each frame, int32 ``[T]``: 0, 1, 1, 1, 1, 2, ... for ``temporal = 4``."""
    groups_of(frames, temporal)
    return ((np.arange(frames) + temporal - 1) // temporal).astype(np.int32)
