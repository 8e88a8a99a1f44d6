"""How far the convolutions between pixels and latents see.

In space: what tiles of large frames overlap by.  In time: how far a decoder that is not causal
looks ahead.

``blocks[i]`` residual blocks of two convolutions 3 x 3 x 3 stand at stage i, counted from the
pixels; ``strides[i]`` (time, space) leads from it to the next.
"""

import itertools
import math

from pv_vae_jax.layers.convolution import padding

Strides = tuple[tuple[int, int], ...]


def of_encoder(strides: Strides, blocks: tuple[int, ...]) -> tuple[int, int]:
    """How many rows of latents a feature sees before and behind its own pixels.

    A convolution of stride 2 sees a row behind its own two, and none before.
    """
    before = behind = 0
    for (_, space), count in zip(strides[::-1], blocks[::-1], strict=True):
        around = padding(3, space)
        before = before * space + around[0] + 2 * count
        behind = behind * space + around[1] + 2 * count
    side = math.prod(space for _, space in strides)  # of a latent, in patches
    return -(-(before + 1) // side), -(-(behind + 1) // side)


def of_decoder(strides: Strides, blocks: tuple[int, ...]) -> tuple[int, int]:
    """How many rows of features the pixels of one see before and behind it."""
    rows = 1
    for (_, space), count in zip(strides, blocks, strict=True):
        rows = -(-(rows + 2 * count + 1) // space)
    return rows, rows


def lookahead(strides: Strides, blocks: tuple[int, ...]) -> int:
    """How many later latents the last frame of a group sees in a decoder without causality.

    From the pixels back to the latents: 1 frame further for each convolution over time, then the
    frame of the lower rate that a frame of the higher one repeats.  A stage behind the last stride,
    if there is one, counts.
    """
    frames = 1 + 2 * blocks[0]
    for (time, _), more in itertools.zip_longest(strides, blocks[1:], fillvalue=0):
        frames = -(-(frames + 1) // time) + 2 * more
    return frames
