"""Video files by PyAV: frames chosen by time stamp, a whole file in chunks, and writing.

A frame is named by its presentation time stamp (pts), so a variable frame rate is as good as a
fixed one:

    seek to the keyframe at or before the first pts, decode forward, keep the frames that are named

Every pixel format comes out as uint8 RGB, upright as the file's display matrix says.
"""

import contextlib
import dataclasses
import fractions
import io
import itertools
import os
import struct
from collections.abc import Iterable, Iterator, Sequence

import av
import numpy as np
from av.sidedata import sidedata

from pv_vae_jax.core import storage, store_errors
from pv_vae_jax.data.clips import ClipError

# What PyAV raises at films that are damaged, foreign or out of reach.
FAILURES = (av.FFmpegError, OSError, IndexError, ValueError)


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How a film is written: container, codec, its options, and what it makes of pixels."""

    container: str
    codec: str
    options: dict[str, str]
    pixels: str = "yuv420p"


# No macroblock trees: with them the same frames are other bytes, and pixels, at times (codecs.py).
H264 = {"crf": "12", "preset": "medium", "x264-params": "mbtree=0"}
MP4 = Encoding("mp4", "libx264", H264)
LOSSLESS = Encoding("mp4", "libx264rgb", {"crf": "0", "preset": "medium"}, "rgb24")
VP9 = {"crf": "16", "b": "0", "deadline": "good", "cpu-used": "3", "row-mt": "1"}
WEBM = Encoding("webm", "libvpx-vp9", VP9)


@contextlib.contextmanager
def container_of(
    film: str | os.PathLike | bytes, options: dict[str, str] | None = None
) -> Iterator[av.container.InputContainer]:
    """A film open for reading: a path, a URL (only what is read is fetched), or its bytes."""
    if isinstance(film, bytes):
        with av.open(io.BytesIO(film), options=options) as container:
            yield container
    elif storage.is_url(film):
        with storage.opened(film) as file, av.open(file, options=options) as container:
            yield container
    else:
        with av.open(os.fspath(film), options=options) as container:
            yield container


def upright(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as uint8 RGB ``[H, W, 3]``, turned and mirrored as its display matrix says.

    Pixels are taken as square: a sample aspect ratio is not applied.
    """
    pixels = frame.to_ndarray(format="rgb24")
    a, b, c, d = _display(frame)  # (x, y) is shown at (a x + c y, b x + d y)
    across, down = a, d
    if abs(a) < abs(b):
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])


def _display(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """The four numbers of the display matrix that turn and mirror; the identity without one."""
    matrix = frame.side_data.get(sidedata.Type.DISPLAYMATRIX)
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack("<5i", bytes(matrix)[:20])
    return a, b, c, d


def in_order(film: str | os.PathLike | bytes, count: int = 32) -> bool:
    """Whether the time stamps of the first decoded frames increase, as reading by them needs."""
    with container_of(film) as container:
        stamps = [frame.pts for frame in itertools.islice(container.decode(video=0), count)]
    known = [pts for pts in stamps if pts is not None]
    return all(one < other for one, other in itertools.pairwise(known))


def with_damage(frames: Iterable[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame, bool]]:
    """Each frame and whether it is damaged: a corrupt one spoils those up to a keyframe."""
    damaged = False
    for frame in frames:
        damaged = frame.is_corrupt or (damaged and not frame.key_frame)
        yield frame, damaged


def _decoded_from(container, stream, pts: int | None) -> Iterator[tuple[av.VideoFrame, bool]]:
    if pts is not None:
        container.seek(max(0, pts), stream=stream, backward=True)
    yield from with_damage(container.decode(stream))


def read(
    path: str | os.PathLike | bytes, pts: Sequence[int], threads: int = 1, name: str = ""
) -> Iterator[np.ndarray]:
    """The frames with these time stamps, in order, each uint8 RGB ``[H, W, 3]``.

    Args:
      path: a video file, its URL, or its bytes.
      pts: increasing presentation time stamps in units of the stream (data/entry.py).
      threads: of the decoder; 0 for as many as there are cores.
      name: of the film in errors, its path by default.

    Raises:
      ClipError: the file cannot be opened, or a frame is not in it (any more).
    """
    found, name = 0, name or ("a film" if isinstance(path, bytes) else os.fspath(path))
    try:
        for tries in range(3):  # some containers seek late: a second before, then the beginning
            with container_of(path) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count = threads
                second = round(1 / stream.time_base)
                start = (pts[0], pts[0] - second, None)[tries]
                for frame, is_damaged in _decoded_from(container, stream, start):
                    if frame.pts is None or frame.pts < pts[found]:
                        continue
                    if frame.pts > pts[found]:
                        break
                    if is_damaged:
                        raise ClipError(name, f"corrupt data before pts {frame.pts}")
                    yield upright(frame)
                    found += 1
                    if found == len(pts):
                        return
            if found:
                break
    except FAILURES as error:
        raise ClipError(name, f"{reason_of(error)} after {found} frames") from error
    raise ClipError(name, f"{found} of {len(pts)} frames readable at pts {pts[0]}")


def reason_of(error: Exception) -> str:
    """What an error of PyAV means, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, store_errors.StoreError):
        return str(error).rstrip(".")
    if isinstance(error, IndexError):
        return "no video stream"
    if isinstance(error, av.InvalidDataError):
        return "not a readable video"
    return str(getattr(error, "strerror", None) or error).lower()


def iterate(path: str | os.PathLike, chunk: int) -> Iterator[np.ndarray]:
    """All frames of a file in order, uint8 ``[n, H, W, 3]`` with n = ``chunk`` (the last: fewer).

    Raises:
      ClipError: the file cannot be opened or decoded, or its frames are damaged or change size.
    """
    frames: list[np.ndarray] = []
    size = None
    try:
        with container_of(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for number, (frame, is_damaged) in enumerate(with_damage(container.decode(stream))):
                if is_damaged:
                    raise ClipError(os.fspath(path), f"corrupt data before frame {number}")
                frames.append(upright(frame))
                size = size or frames[0].shape[:2]
                if frames[-1].shape[:2] != size:
                    now, began = ("x".join(map(str, s)) for s in (frames[-1].shape[:2], size))
                    reason = (
                        f"frame {number} is {now}, but the film began with {began}: cut it there"
                    )
                    raise ClipError(os.fspath(path), reason)
                if len(frames) == chunk:
                    yield np.stack(frames)
                    frames = []
    except FAILURES as error:
        raise ClipError(os.fspath(path), reason_of(error)) from error
    if frames:
        yield np.stack(frames)


def coding(path: str | os.PathLike) -> str:
    """Codec and form of the pixels of a file, such as "h264, yuv420p".

    Raises:
      ClipError: the file cannot be opened.
    """
    try:
        with container_of(path) as container:
            codec = container.streams.video[0].codec_context
            return f"{codec.codec.canonical_name}, {codec.pix_fmt}"
    except FAILURES as error:
        raise ClipError(os.fspath(path), reason_of(error)) from error


def rate_of(path: str | os.PathLike) -> float:
    """Frames per second of a file, 25 where it does not say.

    Raises:
      ClipError: the file cannot be opened.
    """
    try:
        with container_of(path) as container:
            return float(container.streams.video[0].average_rate or 25)
    except FAILURES as error:
        raise ClipError(os.fspath(path), reason_of(error)) from error


def write(
    path: str | os.PathLike, chunks: Iterable[np.ndarray], rate: float = 25, kind: Encoding = MP4
) -> int:
    """Writes a film; odd sizes gain a row or column by repeating the edge.

    Args:
      path: the file, or a URL; its folder is made.
      chunks: uint8 RGB ``[n, H, W, 3]`` each, all of one size; one array of all frames in a list.
      rate: frames per second.
      kind: MP4 in H.264, WEBM in VP9, or LOSSLESS: H.264 of RGB, for players, not for browsers.

    Returns:
      how many frames were written.

    Raises:
      ValueError: no frames, or not uint8 ``[n, H, W, 3]``.
    """
    written = 0
    with storage.whole(path) as partial, av.open(str(partial), "w", kind.container) as container:
        exact = fractions.Fraction(rate).limit_denominator(1001)
        stream = container.add_stream(kind.codec, rate=exact, options=kind.options)
        stream.pix_fmt = kind.pixels
        for chunk in chunks:
            if chunk.dtype != np.uint8 or chunk.ndim != 4 or chunk.shape[-1] != 3:
                raise ValueError(
                    f"a film is written from uint8 [n, H, W, 3], got {chunk.dtype} "
                    f"{list(chunk.shape)}; scale to [0, 255] and round first."
                )
            height, width = chunk.shape[1:3]
            even = np.pad(chunk, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)], mode="edge")
            if not written:  # the codec opens with the first frame
                stream.height, stream.width = even.shape[1:3]
            for frame in even:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                written += 1
        if not written:
            raise ValueError(f"no frames to write to {path}.")
        container.mux(stream.encode(None))
    return written
