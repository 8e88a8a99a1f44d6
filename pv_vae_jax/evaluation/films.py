"""A film to latents on disk, and back: each half of a model by itself, at any time.

    film -> pieces -> encoder -> FILE.npz            FILE.npz -> decoder -> pieces -> film

The file says which model made it (models/identity.py), the size, length and rate of the film, so
that the decoder crops what was padded, and another model is refused.  Memory is that of a piece.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pv_vae_jax.core import dims, storage
from pv_vae_jax.data import latent_films, video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.entry import Entry
from pv_vae_jax.data.latent_films import LatentFilm
from pv_vae_jax.evaluation import any_size
from pv_vae_jax.evaluation.reconstruction import Form, frames_of
from pv_vae_jax.models import identity
from pv_vae_jax.models.video_vae import VideoVAE

Progress = Callable[[int], Any]


def encode(
    vae: VideoVAE,
    entry: Entry,
    path: storage.Where,
    form: Form,
    about: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Writes the latents of a film.

    Args:
      vae: the model.
      entry: the film.
      path: of the file, ``.npz``.
      form: what is taken of the film.
      about: JSON values that are kept beside it, such as what is known of the model.
      progress: is told the frames of each piece that is done.

    Returns:
      What the file tells of itself.

    Raises:
      ValueError: the film cannot be used; the message says why.
    """
    if entry.reason:
        raise ValueError(f"{entry.path} cannot be used: {entry.reason}.")
    frames, height, width = taken = form.of(entry)
    padded = any_size.padded_shape(taken, vae.spec)
    film = {"file": os.path.basename(entry.path), "frames": frames}
    told = about | {
        "identity": identity.identity(vae),
        "film": film | {"height": height, "width": width, "rate": entry.rate},
        "padded_to": list(padded),
        "way": any_size.way(vae.spec, padded[0]),
    }

    def chunks() -> Iterator[np.ndarray]:
        done = 0
        for latents in any_size.encode(vae, frames_of(entry, taken), frames):
            yield np.asarray(latents)[0]
            more = min(frames, done + latents.shape[1] * vae.spec.temporal)
            progress(more - done)
            done = more

    try:
        latent_films.write(path, chunks(), vae.spec.latent_shape(*padded), told)
    except ClipError as error:
        raise ValueError(f"{error.name} cannot be used: {error.reason}.") from error
    return told


def check(vae: VideoVAE, latents: LatentFilm) -> None:
    """Raises ValueError if a file is not of the model, or does not tell enough to be decoded."""
    told = latents.about
    try:
        found, film = told["identity"], told["film"]
        taken = tuple(int(film[name]) for name in ("frames", "height", "width"))
        float(film["rate"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{latents.path} does not tell of which film it is.") from error
    identity.check(identity.identity(vae), found, f"the latents of {latents.path}")
    wanted = vae.spec.latent_shape(*any_size.padded_shape(taken, vae.spec))
    if latents.shape != wanted:
        raise ValueError(
            f"{latents.path} has latents {list(latents.shape)}, but a film of {taken[0]} frames of "
            f"{taken[1]}x{taken[2]} has {list(wanted)}."
        )


def decode(vae: VideoVAE, latents: LatentFilm, path: storage.Where, progress: Progress) -> None:
    """Writes the film (MP4, H.264, without sound) of a file of latents.

    Args:
      vae: the model that made them.
      latents: see data/latent_films.py.
      path: of the film.
      progress: is told the frames of each piece that is done.

    Raises:
      ValueError: :func:`check`, or the file is damaged.
    """
    check(vae, latents)
    film = latents.about["film"]
    frames, height, width = film["frames"], film["height"], film["width"]
    groups = dims.groups_of(dims.lengths_around(frames, vae.spec.temporal)[1], vae.spec.temporal)
    counts = any_size.plan(vae.spec, groups)

    def video() -> Iterator[np.ndarray]:
        left = frames
        pieces = (chunk[None] for chunk in latents.chunks(counts))
        for piece in any_size.decode(vae, pieces, frames):
            count = min(left, piece.shape[1])  # a decoder that looks ahead is late
            if count:
                yield any_size.cropped(piece, (count, height, width))
                progress(count)
                left -= count

    video_files.write(path, video(), film["rate"])
