"""Media of a report: films in H.264 and VP9, pictures, JSON files, under names of their contents.

    media/SHA256.mp4     the film of a finding, as it is
    media/SHA256.webm    the same frames in VP9, where PyAV has libvpx
    data/NAME.json       copies of findings and results

Equal films, such as the original of two models, are one file; what is there is not made again.
"""

import dataclasses
import hashlib
import re
from typing import Any

import av

from pv_vae_jax.core import storage
from pv_vae_jax.data import video_files
from pv_vae_jax.data.clips import ClipError

CHUNK = 32  # frames decoded at once


@dataclasses.dataclass(frozen=True)
class Film:
    """A film on the page.

    Attributes:
      sources: (path relative to the page, MIME type) each.
      frames: how many it has.
      width: of a frame, pixels.
      height: of a frame.
    """

    sources: tuple[tuple[str, str], ...]
    frames: int
    width: int
    height: int


def has_vp9() -> bool:
    """Whether this PyAV writes VP9."""
    try:
        av.Codec(video_files.WEBM.codec, "w")
    except ValueError:  # av.codec.codec.UnknownCodecError is one
        return False
    return True


class Media:
    """The media of one page."""

    def __init__(self, out: Any):
        self.out, self.vp9 = storage.path(out), has_vp9()
        self._names: set[str] = set()

    def film(self, path: Any) -> Film:
        """Copies an MP4, and writes it in VP9.

        Raises:
          ClipError: it cannot be decoded.
        """
        try:
            content = storage.read(path)
        except FileNotFoundError as error:
            raise ClipError(str(path), "no such file") from error
        stem = f"media/{hashlib.sha256(content).hexdigest()[:16]}"
        width, height = _checked(content, path)
        webm, chunks = self.out / f"{stem}.webm", video_files.iterate(path, CHUNK)
        if self._wanted(webm):
            frames = video_files.write(webm, chunks, video_files.rate_of(path), video_files.WEBM)
        else:  # its end is decoded too
            frames = sum(map(len, chunks))
        self._copy(f"{stem}.mp4", content)
        kinds = ("mp4", "webm") if self.vp9 else ("mp4",)
        return Film(tuple((f"{stem}.{kind}", f"video/{kind}") for kind in kinds),
                    frames, width, height)  # fmt: skip

    def picture(self, path: Any) -> str:
        """Copies a PNG; its path relative to the page."""
        content = storage.read(path)
        name = f"media/{hashlib.sha256(content).hexdigest()[:16]}.png"
        self._copy(name, content)
        return name

    def json(self, label: str, kind: str, path: Any) -> str:
        """Copies a JSON file as ``data/LABEL-KIND.json``; its path relative to the page."""
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{label}-{kind}")
        name, number = f"data/{plain}.json", 2
        while name in self._names:
            name, number = f"data/{plain}-{number}.json", number + 1
        self._names.add(name)
        storage.write(self.out / name, storage.read(path))
        return name

    def _wanted(self, webm: Any) -> bool:
        return self.vp9 and not storage.exists(webm)

    def _copy(self, name: str, content: bytes) -> None:
        if not storage.exists(self.out / name):
            storage.write(self.out / name, content)


def _checked(content: bytes, path: Any) -> tuple[int, int]:
    """Width and height of a film in H.264."""
    try:
        with video_files.container_of(content) as container:
            codec = container.streams.video[0].codec_context
            if codec.name != "h264":
                raise ClipError(str(path), f"a film in {codec.name}, not in h264")
            return codec.width, codec.height
    except video_files.FAILURES as error:
        raise ClipError(str(path), video_files.reason_of(error)) from error
