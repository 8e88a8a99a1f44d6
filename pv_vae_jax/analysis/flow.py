"""Optical flow of clips: measured, exact, or of a file; on the grid of latents; as colours.

    flow(x, n)            from pixel x of frame n to its place in frame n + 1, (x, y) in pixels
    magnitude(g, i, j)  = mean |flow(x, n - 1)| over frames n of group g >= 1 and pixels x of
                          the cell i, j of the latents                                      (1)

The flow of a pair of frames belongs to its later frame, so every group but the first has p pairs.

    dis      OpenCV's dense inverse search (Kroeger et al., ECCV 2016), preset medium
    exact    of rendered scenes (data/rendered.py, equation 1); of other videos there is none
    FOLDER   of your own, such as RAFT's: KEY.npz with the array ``flow [T-1, H, W, 2]``, or
             Middlebury's KEY/*.flo in the order of their names, T-1 of them; KEY as in videos.txt
"""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from pv_vae_jax.core import arrays, dims, storage
from pv_vae_jax.evaluation.datasets import rendered
from pv_vae_jax.evaluation.measuring import Video
from pv_vae_jax.evaluation.protocol import Protocol

MAGIC = b"PIEH"  # 202021.25 as little-endian float32
LEAST = 12  # rows or columns of a frame for DIS
MOST = 2**14  # rows or columns of a flow in a file

FlowOf = Callable[[Video, np.ndarray], np.ndarray | None]


@dataclasses.dataclass(frozen=True)
class Source:
    """Where flow comes from.

    Attributes:
      of: a video and its clip uint8 ``[T, H, W, 3]`` to float32 ``[T-1, H, W, 2]``, or None.
      settings: what decides it, for a finding.
    """

    of: FlowOf
    settings: dict[str, Any]


def source(name: str, used: Protocol) -> Source:
    """A source by name.

    Args:
      name: "dis", "exact", or a folder (a path or a URL).
      used: what the clips are of.

    Raises:
      ValueError: none of these.
    """
    if name == "dis":
        return Source(lambda video, clip: dis(clip), {"flow": "OpenCV DIS, medium"})
    if name == "exact":
        return Source(lambda video, clip: exact(used, video.key), {"flow": "exact"})
    if not storage.is_folder(name):
        raise ValueError(f"--flow is dis, exact, or a folder of flow; there is no folder {name}.")
    files = {str(path)[len(str(name)) :].lstrip("/"): storage.stat(path)
             for path in storage.files_under(name)}  # fmt: skip
    version = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    return Source(
        lambda video, clip: of_files(name, video.key, clip.shape),
        {"flow": f"files of {name}", "version": version},
    )


def dis(clip: np.ndarray) -> np.ndarray:
    """Flow of each frame to the next by OpenCV: uint8 ``[T, H, W, 3]`` to ``[T-1, H, W, 2]``.

    Raises:
      ValueError: frames smaller than the method takes.
    """
    if max(clip.shape[1:3]) < LEAST:
        height, width = clip.shape[1:3]
        raise ValueError(f"DIS flow wants a side of {LEAST} pixels or more, got {height}x{width}.")
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip]
    pairs = zip(grey[:-1], grey[1:], strict=True)
    found = [method.calc(one, next_, None) for one, next_ in pairs]
    return np.array(found, np.float32).reshape(len(clip) - 1, *clip.shape[1:3], 2)


def exact(used: Protocol, key: str) -> np.ndarray | None:
    """The flow of a rendered scene, ``[T-1, H, W, 2]``; None for any other video."""
    name, _, item = key.partition("/")
    if name not in rendered.SETS:
        return None
    path = f"{rendered.SCHEME}{rendered.SETS[name].world}/{item}"
    scene = rendered.scene(path, used.frames, used.stride, used.height, used.width)
    return scene.flow()


def of_files(folder: Any, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """The flow of a clip ``[T, H, W, 3]`` from a folder; None if it has none of this key.

    Raises:
      ValueError: a file is damaged, or of other frames than the clip.
    """
    folder = storage.path(folder)
    one, many = folder / f"{key}.npz", folder / key
    if storage.exists(one):
        found, where = arrays.read(one).get("flow"), one
    elif storage.is_folder(many):
        names = [name for name in storage.files_under(many) if name.endswith(".flo")]
        fields, where = [read_flo(name) for name in names], many
        same = len({field.shape for field in fields}) == 1
        found = np.stack(fields) if same else None
    else:
        return None
    wanted = (shape[0] - 1, *shape[1:3], 2)
    if found is None or found.shape != wanted or not np.issubdtype(found.dtype, np.floating):
        got = "none" if found is None else f"{found.dtype}{list(found.shape)}"
        raise ValueError(
            f"{where} is to hold the flow of a clip as floats {list(wanted)} (of each frame to the "
            f"next, in pixels of the clip), got {got}."
        )
    if not np.isfinite(found).all():
        raise ValueError(f"{where}: a flow is not finite.")
    return found.astype(np.float32)


def read_flo(path: storage.Where) -> np.ndarray:
    """Middlebury's .flo: "PIEH", int32 width and height, float32 (x, y) by rows; ``[H, W, 2]``.

    Raises:
      ValueError: it is no such file, or not a whole one.
    """
    content = storage.read(path)
    width, height = np.frombuffer(content[4:12].ljust(8, b"\0"), "<i4").tolist()
    if content[:4] != MAGIC or not (0 < width <= MOST and 0 < height <= MOST):
        raise ValueError(f"{path} is no .flo file of Middlebury's kind.")
    if len(content) != 12 + 8 * width * height:
        raise ValueError(
            f"{path} is not whole: {len(content)} bytes, where a flow of {height} x {width} has "
            f"{12 + 8 * width * height}."
        )
    return np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2)


def on_latent_grid(flow: np.ndarray, temporal: int, spatial: int) -> np.ndarray:
    """Equation (1): float64 ``[G-1, h, w]`` of flow ``[T-1, H, W, 2]``.

    Args:
      flow: in pixels.
      temporal: p, frames of a group.
      spatial: pixels of a cell.

    Raises:
      ValueError: T or the size is not of the grid.
    """
    pairs, height, width = flow.shape[:3]
    groups = dims.groups_of(pairs + 1, temporal)
    dims.check_size(height, width, spatial)
    magnitude = np.hypot(flow[..., 0], flow[..., 1]).astype(np.float64)
    rows, columns = height // spatial, width // spatial
    cells = magnitude.reshape(groups - 1, temporal, rows, spatial, columns, spatial)
    return cells.mean(axis=(1, 3, 5))


def coloured(flow: np.ndarray) -> np.ndarray:
    """Flow as colours: the hue is the direction, white is no motion; uint8 ``[n, H, W, 3]``.

    Full saturation is the 99th percentile of the magnitude over all ``n`` of ``[n, H, W, 2]``.
    """
    magnitude = np.hypot(flow[..., 0], flow[..., 1])
    most = max(float(np.quantile(magnitude, 0.99)), 1e-6)
    angle = np.degrees(np.arctan2(flow[..., 1], flow[..., 0])) % 360
    saturation = np.clip(magnitude / most, 0, 1)
    pictures = np.stack([angle, saturation, np.ones_like(angle)], axis=-1).astype(np.float32)
    colours = [cv2.cvtColor(picture, cv2.COLOR_HSV2RGB) for picture in pictures]
    return np.rint(255 * np.stack(colours)).astype(np.uint8)
