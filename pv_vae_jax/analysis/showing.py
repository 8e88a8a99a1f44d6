"""Films of a few videos, all of one size and rate, so that a page can play them in step.

    OUT/LABEL/videos/KEY/original.mp4, reconstruction.mp4, prediction.mp4, pca.mp4, flow.mp4
    OUT/LABEL/videos/KEY/strip.png                          the same as a picture, for papers

Each frame shows the principal components of its group, every latent as a square of pixels; the
flow is that which leads to the frame (none to the first: white).  Predicted frames begin at
``observed``.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tqdm

from pv_vae_jax.analysis import activation, finding, flow, principal_components
from pv_vae_jax.analysis.finding import Finding
from pv_vae_jax.analysis.looks import Look
from pv_vae_jax.analysis.principal_components import Basis, Moments
from pv_vae_jax.core import dims
from pv_vae_jax.data import video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation import pictures
from pv_vae_jax.evaluation.measuring import Video
from pv_vae_jax.evaluation.rows import Row

BASES = ("video", "shared")
RATE = 8.0  # frames per second
KINDS = ("original", "reconstruction", "prediction", "pca", "flow")


def settings(source: flow.Source, basis: str, shown: int) -> dict[str, Any]:
    """What films depend on."""
    return source.settings | {"basis": basis, "shown": shown, "rate": RATE}


def place_of(key: str) -> str:
    """The folder of a video's films: its key, with a checksum where that is no plain name."""
    parts = [re.sub(r"[^A-Za-z0-9_.-]", "_", part).strip(".") for part in key.split("/")]
    plain = "/".join(part or "_" for part in parts)
    return plain if plain == key else f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


@dataclasses.dataclass
class Films:
    """Writes the films of one model.

    Attributes:
      look: makes a Look of ``videos`` and ``clips``.
      folder: OUT/LABEL.
      videos: to be shown.
      basis: one of ``BASES``.
      batch: clips at once.
      rows: of the analysis "pca", for the shared basis.
    """

    look: Callable[..., Look]
    folder: Any
    videos: Sequence[Video]
    basis: str
    batch: int
    rows: Sequence[Row]

    def write(self, base: Finding) -> Finding:
        """The finding "videos", all films written.

        Args:
          base: with model, protocol, settings and command.
        """
        clips, refused = {}, {}
        for video in self.videos:
            try:
                clips[video.key] = video.read()
            except ClipError as error:
                refused[video.key] = error.reason
        videos = [video for video in self.videos if video.key in clips]
        looks = [self._look(videos[i : i + self.batch], clips)
                 for i in range(0, len(videos), self.batch)]  # fmt: skip
        colours = self._colours(looks)
        media, values = {}, {"rate": RATE, "observed": None}
        pairs = [(look, i) for look in looks for i in range(len(look.videos))]
        title = f"{base.model['label']}: films"
        for look, i in tqdm.tqdm(pairs, desc=title, unit="video", disable=None):
            key = look.videos[i].key
            media[key] = self._write(look, i, colours[key])
            frames, height, width = look.clips.shape[1:4]
            values |= {"observed": look.observed, "frames": frames, "size": [height, width]}
        made = dataclasses.replace(
            base, name="videos", values=values, media=media, refused=refused, figures={}
        )
        return finding.write(self.folder, made)

    def _look(self, videos: Sequence[Video], clips: dict[str, np.ndarray]) -> Look:
        found = [clips[video.key] for video in videos]
        filled = found + [found[0]] * (self.batch - len(found))
        return self.look(videos=videos, clips=np.stack(filled))

    def _colours(self, looks: Sequence[Look]) -> dict[str, np.ndarray]:
        """The components of each video as uint8 ``[G, h, w, 3]``, by key."""
        latents = {
            video.key: look.latents[i] for look in looks for i, video in enumerate(look.videos)
        }
        if self.basis == "shared":
            basis = activation.shared([row for row in self.rows if not row.reason])
            projected = {key: basis.projected(each) for key, each in latents.items()}
            everywhere = np.concatenate([each.reshape(-1, 3) for each in projected.values()])
            limits = dict.fromkeys(projected, principal_components.scale(everywhere))
        else:
            projected = {
                key: Basis.of(Moments.of(each)).projected(each) for key, each in latents.items()
            }
            limits = {key: principal_components.scale(each) for key, each in projected.items()}
        return {
            key: principal_components.coloured(each, limits[key]) for key, each in projected.items()
        }

    def _write(self, look: Look, i: int, colours: np.ndarray) -> dict[str, str]:
        spec, clip = look.vae.spec, look.clips[i]
        group = dims.group_of_frame(len(clip), spec.temporal)
        large = colours[group].repeat(spec.spatial, axis=1).repeat(spec.spatial, axis=2)
        films = dict(
            zip(KINDS, (clip, look.reconstruction[i], look.prediction[i], large), strict=False)
        )
        if look.flow[i] is not None:
            still = np.full_like(clip[:1], 255)
            films["flow"] = np.concatenate([still, flow.coloured(look.flow[i])])
        place, found = f"videos/{place_of(look.videos[i].key)}", {}
        for kind, film in films.items():
            found[kind] = f"{place}/{kind}.mp4"
            video_files.write(self.folder / found[kind], [film], RATE)
        found["strip"] = f"{place}/strip.png"
        pictures.strip(self.folder / found["strip"], films, {"prediction": look.observed})
        return found
