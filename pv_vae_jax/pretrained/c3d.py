"""C3D of UCF101 as a judge: the logits of the published UCF101 Inception Score.

    logits = C3D(crop(resize(x_{0..15})) - mean),   x in [0, 255], colours as BGR           (1)

The first 16 frames of a clip are judged.  There are two ways of (1) in use:

    c3d      frames to 128x171, the middle 112x112 of them (rows 8 to 119, columns 29 to 140): C3D's
             own; bilinear, half-pixel centres, without antialiasing
    tgan2    the whole frame to 112x112, bilinear with the corners aligned: TGANv2, and StyleGAN-V
             after it

The mean is that of the training clips: TGAN's ``mean2.npz`` (``mean`` of 3 x 16 x 128 x 171, BGR),
cropped as the frames (``tgan2``: rows and columns 8 to 119), or three numbers, which lie near it.
Reference: Saito et al., "Temporal generative adversarial nets with singular value clipping", ICCV
2017; Saito et al., "Train sparsely, generate densely", IJCV 2020.
"""

import functools
import os
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import storage, trees
from pv_vae_jax.pretrained import c3d_network, c3d_weights, judge, torch_files

NAME = "c3d-ucf101"
MEAN = (90.25, 97.66, 101.41)  # blue, green, red: the average of TGAN's file
ROWS, COLUMNS = 128, 171
Way = Literal["c3d", "tgan2"]
_PREPARED = {
    "c3d": "bilinear to 128x171 without antialiasing (half-pixel centres), middle 112x112",
    "tgan2": "bilinear to 112x112 without antialiasing (corners aligned)",
}
WANTED = (
    "C3D of UCF101 is in no package: give your own file by --classifier FILE, TGAN's "
    "conv3d_deepnetA_ucf.npz, StyleGAN-V's c3d_ucf101.pt, or a state dict of conv1.weight ... "
    "fc8.weight."
)


@functools.partial(jax.jit, static_argnums=0)
def prepare(way: Way, mean: jax.Array, video: jax.Array) -> jax.Array:
    """The clip that the network sees.

    Args:
      way: see above.
      mean: what is subtracted, ``[16, 112, 112, 3]`` or ``[1, 1, 1, 3]``, BGR.
      video: uint8, or floats in [-1, 1], ``[B, T, H, W, 3]``, RGB, T >= 16.

    Returns:
      float32 ``[B, 16, 112, 112, 3]``.
    """
    video = video[:, : c3d_network.FRAMES]
    scaled = video.astype(jnp.float32)
    if video.dtype != jnp.uint8:
        scaled = 127.5 * scaled + 127.5
    side = c3d_network.SIDE
    if way == "c3d":
        top, left = (ROWS - side) // 2, (COLUMNS - side) // 2
        frames = judge.resize(scaled, ROWS, COLUMNS)[:, :, top : top + side, left : left + side]
    else:
        frames = _corners_aligned(_corners_aligned(scaled, 2, side), 3, side)
    return frames[..., ::-1] - mean[None]


def _corners_aligned(x: jax.Array, axis: int, size: int) -> jax.Array:
    """Linear along an axis, first on first and last on last."""
    places = np.linspace(0, x.shape[axis] - 1, size)
    first = np.minimum(places.astype(int), max(0, x.shape[axis] - 2))
    share = np.float32(places - first).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    before = jnp.take(x, first, axis)
    after = jnp.take(x, np.minimum(first + 1, x.shape[axis] - 1), axis)
    return before + share * (after - before)


def load(
    file: str | os.PathLike | None = None,
    mean: str | os.PathLike | Sequence[float] | None = None,
    way: Way = "c3d",
) -> judge.Judge:
    """The judge.

    Args:
      file: the user's weights (c3d_weights.py).
      mean: TGAN's ``mean2.npz``, or three numbers, blue, green, red, in [0, 255]; None: ``MEAN``.
      way: how frames are prepared, see above.

    Raises:
      ValueError: no file, a file that is refused or holds something else, or another way.
      FileNotFoundError: there is no such file.
    """
    if way not in _PREPARED:
        raise ValueError(f"C3D's frames are prepared by {', '.join(_PREPARED)}; got {way!r}.")
    if file is None:
        raise ValueError(WANTED)
    try:
        arrays, network = c3d_weights.from_file(torch_files.read(file), c3d_network.C3D())
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    subtracted, told = _mean(MEAN if mean is None else mean, way)
    params = {name: jnp.asarray(value) for name, value in arrays.items()}
    return judge.Judge(
        name=NAME,
        sha256=storage.sha256(file),
        prepared=f"first 16 frames, {_PREPARED[way]}, BGR in [0, 255] less {told}",
        least_frames=c3d_network.FRAMES,
        features=network.classes,
        network=network,
        params=trees.unflatten(params),
        prepare=functools.partial(prepare, way, jnp.asarray(subtracted)),
    )


def _mean(mean: str | os.PathLike | Sequence[float], way: Way) -> tuple[np.ndarray, str]:
    """What is subtracted, and how it is told."""
    if not isinstance(mean, str | os.PathLike):
        if len(mean) != 3:
            raise ValueError(f"C3D's mean is blue, green and red, or a file; got {mean}.")
        return np.float32(mean).reshape(1, 1, 1, 3), f"the colour {tuple(mean)}"
    state = torch_files.read(mean)
    size = (3, c3d_network.FRAMES, ROWS, COLUMNS)
    if "mean" not in state or state["mean"].size != np.prod(size):
        raise ValueError(f"{mean} holds no array `mean` of 3 x 16 x 128 x 171, as mean2.npz does.")
    side = c3d_network.SIDE
    top, left = (ROWS - side) // 2, (COLUMNS - side) // 2 if way == "c3d" else (ROWS - side) // 2
    cropped = state["mean"].reshape(size)[:, :, top : top + side, left : left + side]
    return np.float32(cropped).transpose(1, 2, 3, 0), f"the mean {storage.sha256(mean)[:16]}"
