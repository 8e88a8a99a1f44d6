"""All videos of a folder through a model, with a report; a bad file is named, never fatal."""

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm

from pv_vae_jax.core import dims, storage
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.entry import Entry
from pv_vae_jax.evaluation import any_size
from pv_vae_jax.evaluation.reconstruction import Form, reconstruct_file
from pv_vae_jax.interface import LatentSpec
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
      ValueError: no entry is usable, ``strict`` refuses one, or a file is in the way.
    """
    form.check(vae.spec.temporal)
    root = os.path.commonpath([os.path.dirname(entry.path) for entry in entries])
    for entry in entries:  # before there is work to lose
        folder = out / os.path.relpath(entry.path, root)
        if not storage.is_url(out) and folder.exists() and not folder.is_dir():
            raise ValueError(
                f"{folder} is a file, where the pictures of {entry.path} belong: choose another "
                "--out."
            )
    videos: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    told: set[str] = set()
    total = sum(form.of(entry)[0] for entry in entries if not entry.reason)
    with tqdm.tqdm(total=total, unit="frame", disable=None) as bar:
        for entry in entries:
            name = os.path.relpath(entry.path, root)
            bar.set_description(name)
            end = bar.n + (0 if entry.reason else form.of(entry)[0])
            try:
                if entry.reason:
                    raise ClipError(entry.path, entry.reason)
                _tell(vae, name, form, entry, strict, told)
                figures = reconstruct_file(vae, entry, out / name, form, bar.update)
                videos.append({"file": name} | figures)
            except ClipError as error:
                skipped.append({"file": name, "reason": error.reason})
                tqdm.tqdm.write(f"skipped: {name}: {error.reason}", file=sys.stderr)
                bar.update(end - bar.n)
    if not videos:
        raise ValueError(
            f"none of {len(entries)} videos is usable; {skipped[0]['file']}: "
            f"{skipped[0]['reason']}."
        )
    return {"mean": _means(videos), "videos": videos, "skipped": skipped}


def _tell(vae: VideoVAE, name: str, form: Form, entry: Entry, strict: bool, told: set[str]) -> None:
    """Says once what becomes of a video that does not fit; ``strict`` refuses it."""
    taken = form.of(entry)
    if strict:
        try:
            vae.spec.latent_shape(*taken)
        except ValueError as error:
            raise ValueError(f"--strict: {name}: {error}") from error
    for kind, note in notes(vae.spec, taken, form.observe).items():
        if kind not in told:
            told.add(kind)
            more = "; --strict refuses instead." if kind == "padding" else "."
            tqdm.tqdm.write(f"note: {name} {note}, as others may be{more}", file=sys.stderr)


def notes(
    spec: LatentSpec, taken: tuple[int, int, int], observe: int | None = None
) -> dict[str, str]:
    """What a user should know of a video ``taken = (T, H, W)``, by kind."""
    found = {}
    (frames, height, width), padded = taken, any_size.padded_shape(taken, spec)
    if padded != taken:
        found["padding"] = (
            f"({frames} frames of {height}x{width}) is padded to {padded[0]} frames of "
            f"{padded[1]}x{padded[2]} by repetition, and the result cropped"
        )
    if not observe and any_size.way(spec, padded[0]) == "blended":
        most = dims.frames_of(any_size.TILE + 1, spec.temporal)
        found["way"] = (
            f"({frames} frames) has no exact stream in this model, which looks at all of a clip: "
            f"overlapping tiles of {most} frames, blended. What is exact: up to {most} frames "
            f"(--frames {most}), or a model that is causal in time"
        )
    return found


def _means(videos: list[dict[str, Any]]) -> dict[str, float]:
    """Of the figures that every video has."""
    figures = ("psnr", "ssim", "prediction_mse", "repeat_mse")
    return {
        name: float(np.mean([video[name] for video in videos]))
        for name in figures
        if all(video.get(name) is not None for video in videos)
    }
