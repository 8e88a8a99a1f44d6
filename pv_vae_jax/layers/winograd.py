"""Kernels of 3 x 3 in space by Winograd's F(2 x 2, 3 x 3): 16 products where the sum has 36.

    y = A^T [ sum_{i, c} (G w_ic G^T) * (B^T x_ic B) ] A                                    (1)

           1  0 -1  0           1    0    0
    B^T =  0  1  1  0     G =  1/2  1/2  1/2     A^T =  1  1  1  0
           0 -1  1  0          1/2 -1/2  1/2            0  1 -1 -1
           0  1  0 -1           0    0    1

``y`` is a tile of 2 x 2 outputs, ``x_ic`` the 4 x 4 inputs around it of temporal tap i and channel
c.  Each of the 16 places of the bracket is one matrix product of all tiles: ``[tiles, kt C]`` by
``[kt C, O]``.  Taps and channels are summed as ever; nothing is fast in time.

The tiles are taken in parts that stay in the cache: rows of one frame, or of small frames several.
Where a frame has ``LEAST_TILES``, neither the parts nor the bits depend on B or T.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

LEAST_TILES = 256  # of a part; fewer would read the kernel too often

_Four = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


def _b(x0: jax.Array, x1: jax.Array, x2: jax.Array, x3: jax.Array) -> _Four:
    return x0 - x2, x1 + x2, x2 - x1, x1 - x3


def _g(w0: jax.Array, w1: jax.Array, w2: jax.Array) -> _Four:
    return w0, (w0 + w1 + w2) / 2, (w0 - w1 + w2) / 2, w2


def _a(m0: jax.Array, m1: jax.Array, m2: jax.Array, m3: jax.Array) -> tuple[jax.Array, jax.Array]:
    return m0 + m1 + m2, m1 - m2 - m3


def kernel_places(w: jax.Array) -> list[jax.Array]:
    """``G w G^T`` of ``[kt, 3, 3, C, O]``: 16 arrays ``[kt, C, O]``."""
    rows = _g(*(w[:, j] for j in range(3)))
    return [place for row in rows for place in _g(*(row[:, j] for j in range(3)))]


def input_places(x: jax.Array) -> list[jax.Array]:
    """``B^T x B`` of ``[B, T, 2 h + 2, 2 w + 2, C]``: 16 arrays ``[B, T, h, w, C]``."""
    h, w = x.shape[2] - 2, x.shape[3] - 2
    rows = _b(*(x[:, :, j : j + h : 2] for j in range(4)))
    return [place for row in rows for place in _b(*(row[:, :, :, j : j + w : 2] for j in range(4)))]


def output_tiles(places: Sequence[jax.Array]) -> jax.Array:
    """``A^T m A`` of 16 arrays ``[B, T, h, w, O]``: ``[B, T, 2 h, 2 w, O]``."""
    b, t, h, w, o = places[0].shape
    rows = _a(*(jnp.stack(_a(*places[j : j + 4]), axis=4) for j in range(0, 16, 4)))
    return jnp.stack(rows, axis=3).reshape(b, t, 2 * h, 2 * w, o)


def fits(kernel: Sequence[int], strides: Sequence[int], height: int, width: int) -> bool:
    """Whether (1) is for kernels ``(kt, kh, kw)`` and results of H x W."""
    return (*kernel[1:], *strides) == (3, 3, 1, 1) and height % 2 == width % 2 == 0


def winograd(
    x: jax.Array, w: jax.Array, strides: tuple[int, int] = (1, 1), bordered: bool = False
) -> jax.Array:
    """Equation (1) of layers/convolution.py.

    Raises:
      ValueError: a kernel that is not 3 x 3 in space, a stride, or an odd H or W.
    """
    if not fits(w.shape[:3], strides, *x.shape[2:4]):
        raise ValueError(
            "winograd is for kernels of 3 x 3 in space, strides of 1 and even rows and columns; "
            f"got a kernel {w.shape[:3]}, strides {strides}, {x.shape[2]} x {x.shape[3]} pixels."
        )
    matrices = [place.reshape(-1, w.shape[4]) for place in kernel_places(w)]
    return _by_parts(x, matrices, 0, w.shape[0], bordered)


def input_gradient(w: jax.Array, dy: jax.Array, bordered: bool = False) -> list[jax.Array]:
    """Equation (3) of layers/convolution.py, of each temporal tap: arrays ``[B, T, H, W, C]``.

    All taps are one matrix product at each place, ``[tiles, O]`` by ``[O, kt C]``.
    """
    kt, c, o = w.shape[0], *w.shape[3:]
    matrices = [place.reshape(kt * c, o) for place in kernel_places(jnp.flip(w, (1, 2)))]
    rows = (1, 1) if bordered else (0, 0)
    dy = jnp.pad(dy, [(0, 0), (0, 0), rows, (0, 0), (0, 0)])
    return jnp.split(_by_parts(dy, matrices, 1, 1, False), kt, axis=-1)


def _size(count: int, least: int) -> int:
    """Of the parts of ``count``: ``least`` to twice that, so that the last lacks the fewest."""
    sizes = range(min(2 * least, count), min(least, count) - 1, -1)
    return min(sizes, key=lambda size: -count % size)


def _part(clips: int, frames: int, rows: int, columns: int) -> tuple[int, int, int]:
    """The clips, frames and rows of tiles of a part, of those that there are."""
    tiles = rows * columns
    if tiles >= LEAST_TILES:
        return 1, 1, _size(rows, -(-2 * LEAST_TILES // columns))
    return clips, _size(frames, -(-LEAST_TILES // (clips * tiles))), rows


def _by_parts(
    x: jax.Array, matrices: Sequence[jax.Array], contracted: int, taps: int, bordered: bool
) -> jax.Array:
    """Equation (1): 16 ``matrices`` whose axis ``contracted`` is that of taps and channels."""
    border = 0 if bordered else 1
    b, t, h, width = x.shape[0], x.shape[1] - taps + 1, x.shape[2] // 2 - 1 + border, x.shape[3]
    clips, frames, rows = _part(b, t, h, width // 2)
    counts = b // clips, -(-t // frames), -(-h // rows)
    inside = border if rows == h else 0  # each part for itself is padded faster than all
    outside, below = border - inside, 2 * (counts[2] * rows - h)
    later = counts[1] * frames - t
    # What is written over: zeros would be shared by all layers, kept, and copied for each.
    anything = x[-1, -1, -1, -1, -1]
    x = jnp.pad(x, [(0, 0), (0, later), (outside, outside + below), (0, 0), (0, 0)])
    sizes = clips, frames + taps - 1, 2 * (rows + 1 - inside), *x.shape[3:]

    def part(start: jax.Array) -> jax.Array:
        own = lax.dynamic_slice(x, (*start, 0, 0), sizes)
        own = jnp.pad(own, [(0, 0), (0, 0), (inside, inside), (1, 1), (0, 0)])
        stacked = jnp.concatenate([own[:, i : i + frames] for i in range(taps)], axis=-1)
        return output_tiles(
            [
                lax.dot_general(place, matrix, (((4,), (contracted,)), ((), ())))
                for place, matrix in zip(input_places(stacked), matrices, strict=True)
            ]
        )

    starts = np.indices(counts).reshape(3, -1).T * (clips, frames, 2 * rows)
    starts = jnp.asarray(starts, jnp.int32)

    def put(i: jax.Array, y: jax.Array) -> jax.Array:
        return lax.dynamic_update_slice(y, part(starts[i]), (*starts[i], 0, 0))

    columns = matrices[0].shape[1 - contracted]
    y = jnp.broadcast_to(anything, (b, t + later, 2 * h + below, width, columns))
    y = lax.fori_loop(0, len(starts), put, y)
    return y[:, :t, : 2 * h]
