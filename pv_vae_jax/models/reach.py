"""How far the convolutions between pixels and latents see: what tiles of large frames overlap by.

``blocks[i]`` residual blocks of two convolutions 3 x 3 stand at stage i, counted from the pixels;
``strides[i]`` (time, space) leads from it to the next.
"""

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
