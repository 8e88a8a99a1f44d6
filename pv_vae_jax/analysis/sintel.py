"""MPI Sintel in its own layout, as clips with flow for probes.

    ROOT/training/{clean,final}/SCENE/frame_0001.png, ...      of one pass
    ROOT/training/flow/SCENE/frame_0001.flo, ...               of each frame to the next
    clip j of a scene = frames (T-1) j ... (T-1) (j+1)         so each pair is in one clip      (1)

Frames are cropped in the middle and resized as all clips are (evaluation/datasets FILTER), and flow
with them, its vectors in pixels of the result.  Test scenes are of other sets than training scenes:
``alley`` of ``alley_1`` is the source of equation (1) of probe_clips.py.
Source: Butler et al., "A naturalistic open source movie for optical flow evaluation", ECCV 2012.
"""

import hashlib
import re
from collections.abc import Mapping

import cv2
import numpy as np

from pv_vae_jax.analysis import flow, probe_clips
from pv_vae_jax.analysis.probe_clips import Clips, Data
from pv_vae_jax.core import storage
from pv_vae_jax.data import images
from pv_vae_jax.data.clips import ClipError, Draw
from pv_vae_jax.evaluation.datasets import item
from pv_vae_jax.evaluation.protocol import Protocol

PASSES = ("final", "clean")
WANTED = (
    'Get MPI-Sintel-complete.zip (or -training_images and -training_extras) from the page "MPI '
    'Sintel Flow Dataset" of the Max Planck Institute (sintel.is.tue.mpg.de), unpack it, and give '
    "the folder that holds training/final, training/clean and training/flow."
)
_FILE = re.compile(r"training/(clean|final|flow)/([\w-]+)/frame_(\d+)\.(?:png|flo)$")


def data(used: Protocol, folder: str | None, which: str = "final") -> Data:
    """Clips of the size and length of a protocol, all that there are.

    Targets: "flow" as that of probe_clips.rendered.

    Args:
      used: T, size and seed; its stride is 1.
      folder: a path or a URL.
      which: of ``PASSES``.

    Raises:
      ValueError: no folder is given, or a stride that has no flow.
      FileNotFoundError: there is no such folder, or no scene in it; the message says what to get.
    """
    if used.stride != 1:
        raise ValueError(
            f"Sintel's flow is of neighbouring frames: set stride=1, not {used.stride}."
        )
    if which not in PASSES:
        raise ValueError(f"the passes of Sintel are {', '.join(PASSES)}; got {which!r}.")
    files = item.scan("sintel", folder, WANTED)
    scenes = _scenes(files, which)
    windows = _windows(scenes, used.frames)
    sources = {scene.rsplit("_", 1)[0] for scene, _ in windows}
    if len(sources) < 2:
        raise FileNotFoundError(
            f"{folder}: of sintel ({which}) {len(scenes)} scenes with flow are there, "
            f"{len(windows)} clips of {used.frames} frames, too few to train on some and test on "
            f"others. {WANTED}"
        )
    test = probe_clips.test_sources(used.seed, sources)

    def read(split: str) -> Clips:
        own = [w for w in windows if (w[0].rsplit("_", 1)[0] in test) == (split == "test")]
        return _read(scenes, own, used)

    text = repr([(name, storage.stat(name)) for name in files if _FILE.search(name)])
    version = hashlib.sha256(text.encode()).hexdigest()
    settings = {"data": f"sintel {which}", "version": version, "test": sorted(test)}
    return Data(probe_clips.named(f"sintel {which}"), settings, read)


def _scenes(files: list[str], which: str) -> dict[str, dict[str, dict[int, str]]]:
    """Scene to "frames" and "flow", by number."""
    scenes: dict[str, dict[str, dict[int, str]]] = {}
    for name in files:
        if match := _FILE.search(name):
            kind, scene, number = match.groups()
            if kind in (which, "flow"):
                kinds = scenes.setdefault(scene, {"frames": {}, "flow": {}})
                kinds["flow" if kind == "flow" else "frames"][int(number)] = name
    return {name: kinds for name, kinds in sorted(scenes.items()) if all(kinds.values())}


def _windows(scenes: Mapping, frames: int) -> list[tuple[str, int]]:
    """Equation (1): scene and first frame, of those whose files are all there."""
    found = []
    for scene, kinds in scenes.items():
        numbers = sorted(kinds["frames"])
        for first in range(numbers[0], numbers[-1] - frames + 2, frames - 1):
            pairs = range(first, first + frames - 1)
            whole = all(n in kinds["frames"] for n in (*pairs, first + frames - 1))
            if whole and all(n in kinds["flow"] for n in pairs):
                found.append((scene, first))
    return found


def _read(scenes: Mapping, windows: list[tuple[str, int]], used: Protocol) -> Clips:
    clips, targets, refused = [], [], {}
    for scene, first in windows:
        kinds, numbers = scenes[scene], range(first, first + used.frames)
        try:
            pictures = [images.read(kinds["frames"][n]) for n in numbers]
            fields = [flow.read_flo(kinds["flow"][n]) for n in numbers[:-1]]
            shapes = {each.shape[:2] for each in (*pictures, *fields)}
            if len(shapes) > 1:
                raise ValueError(f"its frames and flows have the sizes {sorted(shapes)}")
        except (ClipError, ValueError) as error:
            refused[f"sintel/{scene}/{first:04d}"] = str(error)
            continue
        size = used.height, used.width
        clips.append(np.stack([Draw().resized(picture, *size) for picture in pictures]))
        targets.append({"flow": np.stack([resized(field, *size) for field in fields])})
    if not clips:
        raise ValueError(f"no clip of Sintel can be read: {next(iter(refused.values()))}")
    return probe_clips.stacked(clips, targets, refused)


def resized(field: np.ndarray, height: int, width: int) -> np.ndarray:
    """Flow ``[H', W', 2]`` of a frame as of the frame that :class:`Draw` makes of it, float32."""
    top, left, rows, columns = Draw().window(field.shape[:2], (height, width))
    crop = field[top : top + rows, left : left + columns]
    if (rows, columns) != (height, width):
        shrinks = rows >= height and columns >= width
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        crop = cv2.resize(crop, (width, height), interpolation=way)
    return (crop * [width / columns, height / rows]).astype(np.float32)
