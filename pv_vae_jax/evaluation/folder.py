"""All videos of a folder through a model, with a report; a bad file is named, never fatal."""

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm

from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.manifest import Entry
from pv_vae_jax.evaluation import any_size
from pv_vae_jax.evaluation.reconstruction import Form, reconstruct_file
from pv_vae_jax.models.video_vae import VideoVAE


def reconstruct_folder(
    vae: VideoVAE, entries: Sequence[Entry], out: pathlib.Path, form: Form, strict: bool = False
) -> dict[str, Any]:
    """:func:`reconstruct_file` for each entry, into ``out/NAME/``.

    Args:
      vae: the model.
      entries: from data/manifest.py; NAME is a path relative to their common folder.
      out: folder of the results.
      form: what is taken of each video.
      strict: refuse a video that has to be padded.

    Returns:
      JSON values: ``mean`` of each figure over the videos, ``videos`` (figures of each) and
      ``skipped`` (file and reason).

    Raises:
      ValueError: no entry is usable, or ``strict`` refuses one.
    """
    form.check(vae.spec.temporal)
    root = os.path.commonpath([os.path.dirname(entry.path) for entry in entries])
    videos: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    told = False
    for entry in tqdm.tqdm(entries, "reconstruct", unit="video", disable=None):
        name = os.path.relpath(entry.path, root)
        try:
            if entry.reason:
                raise ClipError(entry.path, entry.reason)
            told = _tell_padding(vae, name, form.of(entry), strict, told)
            videos.append({"file": name} | reconstruct_file(vae, entry, out / name, form))
        except ClipError as error:
            skipped.append({"file": name, "reason": error.reason})
            tqdm.tqdm.write(f"skipped: {name}: {error.reason}", file=sys.stderr)
    if not videos:
        raise ValueError(
            f"none of {len(entries)} videos is usable; {skipped[0]['file']}: "
            f"{skipped[0]['reason']}."
        )
    return {"mean": _means(videos), "videos": videos, "skipped": skipped}


def _tell_padding(
    vae: VideoVAE, name: str, taken: tuple[int, int, int], strict: bool, told: bool
) -> bool:
    padded = any_size.padded_shape(taken, vae.spec)
    if padded == taken:
        return told
    if strict:
        try:
            vae.spec.latent_shape(*taken)
        except ValueError as error:
            raise ValueError(f"--strict: {name}: {error}") from error
    if not told:
        frames, height, width = taken
        tqdm.tqdm.write(
            f"note: {name} ({frames} frames of {height}x{width}) is padded to {padded[0]} frames "
            f"of {padded[1]}x{padded[2]} and the result cropped, as others may be; --strict "
            "refuses instead.",
            file=sys.stderr,
        )
    return True


def _means(videos: list[dict[str, Any]]) -> dict[str, float]:
    """Of the figures that every video has."""
    figures = ("psnr", "ssim", "prediction_mse", "repeat_mse")
    return {
        name: float(np.mean([video[name] for video in videos]))
        for name in figures
        if all(video.get(name) is not None for video in videos)
    }
