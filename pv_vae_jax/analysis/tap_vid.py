"""TAP-Vid-DAVIS, 30 videos with points tracked by hand, as clips for the tracking probe.

    name -> video uint8 [T, H, W, 3], points float [P, T, 2], occluded bool [P, T]
    pixel = point (W, H) - 1/2,         points are (x, y) in [0, 1], from corner to corner

A clip is the first frames of a video, squeezed to the size of the protocol as TAP-Vid squeezes to
256 x 256; points that no frame of it shows are left out.  The file is a pickle: it may hold arrays,
and nothing else (pretrained/pickles.py).  Probes are trained on rendered tracks, as TAP-Vid has no
part for training.
Source: Doersch et al. 2022, arXiv:2211.03726 (github.com/google-deepmind/tapnet).
"""

import codecs
import dataclasses
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from pv_vae_jax.analysis import probe_clips
from pv_vae_jax.analysis.probe_clips import Clips, Data
from pv_vae_jax.core import storage, store_errors
from pv_vae_jax.evaluation.protocol import Protocol
from pv_vae_jax.pretrained import pickles

WANTED = (
    "Get tapvid_davis.zip from the page of TAP-Vid (github.com/google-deepmind/tapnet), unpack it, "
    "and give the file tapvid_davis.pkl."
)


def _from_buffer(
    buffer: Any, dtype: Any, shape: tuple[int, ...], order: str, *_: Any
) -> np.ndarray:
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickles.Refused(f"it encodes a text as {encoding!r}")
    return codecs.encode(text, "latin1")


ALLOWED = pickles.ARRAYS | {
    "numpy.core.numeric._frombuffer": _from_buffer,  # protocol 5
    "numpy._core.numeric._frombuffer": _from_buffer,
    "_codecs.encode": _latin1,  # protocol 2
}


def data(used: Protocol, file: str | None, rendered: Data) -> Data:
    """The videos to test on, scenes to train on.

    Targets: "tracks", "visible", "queries" as those of probe_clips.rendered, P the largest number
    of points of a video, the others filled up with points that are never visible.

    Args:
      used: T, size; its stride is 1.
      file: tapvid_davis.pkl, a path or a URL.
      rendered: to train on.

    Raises:
      ValueError: no file is given, or a stride.
      FileNotFoundError: there is none; the message says what to get.
    """
    if used.stride != 1:
        raise ValueError(f"TAP-Vid tracks through every frame: set stride=1, not {used.stride}.")
    if not file:
        raise ValueError(f"tap_vid needs its file. {WANTED}")
    if not storage.exists(file):
        raise FileNotFoundError(f"there is no file {file}. {WANTED}")

    def read(split: str) -> Clips:
        return rendered.read(split) if split == "train" else _read(file, used)

    names = {"train": rendered.names["train"], "test": "tap_vid"}
    known = {"data": "TAP-Vid-DAVIS", "version": list(storage.stat(file))}
    return Data(names, known | {"train": rendered.settings["train"]}, read)


def _read(file: str, used: Protocol) -> Clips:
    videos = load(file)
    good, refused = [], {}
    for name, video in sorted(videos.items()):
        try:
            good.append(_clip(video, used))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refused[f"tap_vid/{name}"] = f"{error}" or type(error).__name__
    if not good:
        raise ValueError(f"no video of {file} can be used: {next(iter(refused.values()), 'none')}.")
    most = max(len(targets["queries"]) for _, targets in good)
    filled = [{key: _filled(each, most) for key, each in targets.items()} for _, targets in good]
    return dataclasses.replace(
        probe_clips.stacked([clip for clip, _ in good], filled), refused=refused
    )


def load(file: str) -> Mapping[str, Any]:
    """The pickle.

    Raises:
      ValueError: it names something else than arrays, or is damaged.
    """
    try:
        with storage.opened(file) as opened:
            found = pickles.load(opened, ALLOWED)
    except store_errors.StoreError:
        raise
    except Exception as error:
        raise ValueError(f"{file} is no pickle of arrays ({error}). {WANTED}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file} holds a {type(found).__name__}, not videos by name. {WANTED}")
    return found


def _clip(video: Mapping[str, Any], used: Protocol) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    frames, points, hidden = (video[key] for key in ("video", "points", "occluded"))
    if len(frames) < used.frames:
        raise ValueError(f"too short: {len(frames)} frames where {used.frames} are needed")
    fits = frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[-1] == 3
    if not fits or points.shape != (*hidden.shape, 2) or hidden.shape[1] != len(frames):
        raise ValueError(f"it has {frames.shape}, {points.shape}, {hidden.shape}")
    size = used.width, used.height
    clip = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames[: used.frames]]
    visible = ~hidden[:, : used.frames].astype(bool)
    shown = visible.any(axis=1)
    queries = visible.argmax(axis=1)
    if not (visible & (np.arange(used.frames) > queries[:, None])).any():
        raise ValueError(f"no point is seen twice in its first {used.frames} frames")
    tracks = points[:, : used.frames].astype(np.float32) * np.array(size, np.float32) - 0.5
    targets = {"tracks": tracks, "visible": visible, "queries": queries}
    return np.stack(clip), {key: each[shown] for key, each in targets.items()}


def _filled(array: np.ndarray, count: int) -> np.ndarray:
    return np.pad(array, [(0, count - len(array))] + [(0, 0)] * (array.ndim - 1))
