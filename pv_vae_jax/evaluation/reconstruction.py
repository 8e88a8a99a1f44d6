"""One video file through a model: a film, a strip, and figures.

without observe   the video in pieces, any length: original | reconstruction
with observe N    its first ``frames`` frames: original | reconstruction | prediction from the
                  first N of them (observed frames reconstructed, then predicted ones)
"""

import dataclasses
import itertools
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from pv_vae_jax.core import dims, storage
from pv_vae_jax.data import video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.entry import Entry
from pv_vae_jax.evaluation import any_size, baselines, held_out, pictures
from pv_vae_jax.metrics import fidelity
from pv_vae_jax.models.video_vae import VideoVAE


@dataclasses.dataclass(frozen=True)
class Form:
    """What is taken of each video.

    Attributes:
      frames: the first so many frames, or None for all.
      observe: frames that the prediction sees, 1 + p n, or None for no prediction.
      size: the shorter side after resizing (proportions stay), or None as it is.
    """

    frames: int | None = None
    observe: int | None = None
    size: int | None = None

    def check(self, temporal: int) -> None:
        """Raises ValueError for numbers that no video fits."""
        for name in ("frames", "observe", "size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} is at least 1, got {value}.")
        if self.observe is None:
            return
        try:
            dims.groups_of(self.observe, temporal)
        except ValueError as error:
            below, above = dims.lengths_around(self.observe, temporal)
            raise ValueError(
                f"--observe is a number of whole groups, 1 + {temporal}n frames, got "
                f"{self.observe}: use {below} or {above}."
            ) from error
        if self.frames is None or self.frames <= self.observe:
            raise ValueError(
                f"--observe {self.observe} of {self.frames} frames leaves none to predict: "
                f"use --frames {self.observe + temporal} or more."
            )

    def of(self, entry: Entry) -> tuple[int, int, int]:
        """``(T, H, W)`` that is taken of a video."""
        height, width = entry.height, entry.width
        if self.size is not None:
            scale = self.size / min(height, width)
            height, width = round(height * scale), round(width * scale)
        return min(entry.frames, self.frames or entry.frames), height, width


def reconstruct_file(
    vae: VideoVAE,
    entry: Entry,
    folder: pathlib.Path,
    form: Form,
    progress: Callable[[int], Any] = lambda frames: None,
) -> dict[str, Any]:
    """Writes ``side_by_side.mp4`` and ``strip.png`` of one video into ``folder``, or nothing.

    Args:
      vae: the model.
      entry: the video.
      folder: of the results.
      form: what is taken of it.
      progress: is told the frames of each piece that is done.

    Returns:
      The video's figures, as JSON values: psnr, ssim, and with observe prediction_mse and
      repeat_mse (protocols in metrics/fidelity.py and evaluation/held_out.py); ``way`` is that of
      evaluation/any_size.py.

    Raises:
      ClipError: the video is too short for the form, too long for the model, or cannot be decoded.
    """
    shape = form.of(entry)
    if form.observe is not None and shape[0] <= form.observe:
        reason = f"{shape[0]} frames: --observe {form.observe} leaves none to predict"
        raise ClipError(entry.path, reason)
    try:
        vae.spec.latent_shape(*any_size.padded_shape(shape, vae.spec))
    except ValueError as error:  # it is longer than the model sees
        raise ClipError(entry.path, str(error).rstrip(".")) from error
    tally = _Tally(pictures.evenly(shape[0]), form.observe)
    pieces = _pieces(vae, frames_of(entry, shape), shape[0], form.observe)
    withheld = {} if form.observe is None else {"prediction": form.observe}

    def film() -> Iterator[np.ndarray]:
        for rows in pieces:
            yield pictures.beside(tally.count(rows), withheld)
            progress(len(rows["original"]))

    storage.make_folder(folder.parent)
    beside = None if storage.is_url(folder) else folder.parent
    with tempfile.TemporaryDirectory(dir=beside) as scratch:
        results = pathlib.Path(scratch, "side_by_side.mp4"), pathlib.Path(scratch, "strip.png")
        video_files.write(results[0], film(), entry.rate)
        pictures.strip(results[1], tally.shown(), withheld, tally.numbers)
        storage.make_folder(folder)
        for path in results:
            storage.put(path, folder / path.name)
    padded = any_size.padded_shape((tally.frames, *shape[1:]), vae.spec)
    way = "whole" if form.observe else any_size.way(vae.spec, padded[0])
    form_of = {"frames": tally.frames, "height": shape[1], "width": shape[2], "padded_to": padded}
    return form_of | {"rate": entry.rate, "way": way} | tally.figures()


def frames_of(entry: Entry, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """The first T frames of a video, uint8 ``[H, W, 3]``, resized to ``shape = (T, H, W)``.

    Raises:
      ClipError: it cannot be decoded, changes its size, or has more or fewer frames than time
        stamps: no frame is dropped or made up unsaid.
    """
    frames, height, width = shape
    single = itertools.chain.from_iterable(video_files.iterate(entry.path, 1))
    count = 0
    for frame in itertools.islice(single, frames):
        count += 1
        if count == entry.frames and next(single, None) is not None:
            raise ClipError(entry.path, f"more frames than its {entry.frames} time stamps")
        if frame.shape[:2] != (height, width):
            smaller = height < frame.shape[0]
            way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            frame = cv2.resize(frame, (width, height), interpolation=way)
        yield frame
    if count < frames:
        raise ClipError(entry.path, f"{count} frames can be decoded of {entry.frames} time stamps")


def _pieces(
    vae: VideoVAE, frames: Iterator[np.ndarray], total: int, observe: int | None
) -> Iterator[dict[str, np.ndarray]]:
    """Rows of the film, piece by piece, uint8 ``[n, H, W, 3]``; one piece where it is a clip."""
    if observe is None:
        for video, result in any_size.stream(vae, frames, total):
            yield {"original": video, "reconstruction": result}
        return
    video = np.stack(list(frames))
    yield {
        "original": video,
        "reconstruction": any_size.reconstruct(vae, video),
        "prediction": any_size.predict(vae, video, observe),
    }


class _Tally:
    """Sums over the pieces of a video, and the frames that its strip shows."""

    def __init__(self, wanted: np.ndarray, observe: int | None):
        self.frames = 0
        self.numbers: list[int] = []
        self._wanted = set(wanted.tolist())
        self._observe = observe
        self._sums = {"error": 0.0, "ssim": 0.0}
        self._prediction: dict[str, float] = {}
        self._rows: dict[str, list[np.ndarray]] = {}

    def count(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Takes the next piece into account and returns it."""
        video, result = rows["original"], rows["reconstruction"]
        n = len(video)
        pair = video[None], result[None]
        self._sums["error"] += n * float(fidelity.mean_squared_error(*pair)[0])
        if min(video.shape[1:3]) >= fidelity.WINDOW:
            self._sums["ssim"] += n * float(fidelity.ssim(*pair)[0])
        else:
            self._sums["ssim"] = float("nan")
        for i in range(n):
            if self.frames + i in self._wanted:
                self.numbers.append(self.frames + i)
                for label, frames in rows.items():
                    self._rows.setdefault(label, []).append(frames[i])
        if self._observe is not None:
            seen, rest = video[None, : self._observe], video[None, self._observe :]
            predicted = rows["prediction"][None, self._observe :]
            repeated = baselines.repeated(seen, rest.shape[1])
            self._prediction = {
                "prediction_mse": float(held_out.prediction_error(rest, predicted)[0]),
                "repeat_mse": float(held_out.prediction_error(rest, repeated)[0]),
            }
        self.frames += n
        return rows

    def shown(self) -> dict[str, np.ndarray]:
        """The strip's frames by label."""
        return {label: np.stack(frames) for label, frames in self._rows.items()}

    def figures(self) -> dict[str, Any]:
        """PSNR, SSIM (None for frames smaller than its window), prediction."""
        ssim = self._sums["ssim"] / self.frames
        return {
            "psnr": float(fidelity.decibels(self._sums["error"] / self.frames)),
            "ssim": None if np.isnan(ssim) else ssim,
        } | self._prediction
