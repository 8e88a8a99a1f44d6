"""What is known of each file, probed once: videos here, pictures by data/images.py.

A video is demultiplexed once (not decoded but for its first frame) for its time stamps; what was
found is kept in ``$PV_VAE_JAX_CACHE/manifests`` (``~/.cache/pv_vae_jax``) and holds as long as size
and modification time do.  Bad files are named there with their reason.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import logging
import os
import pathlib
import tempfile
from collections.abc import Callable, Sequence, Set

import av
import numpy as np
import tqdm

from pv_vae_jax.core import cache
from pv_vae_jax.data import video_files

EXTENSIONS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv"}
VERSION = 1
THREADS = 8

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file.

    Attributes:
      path: absolute.
      size: bytes.
      modified: modification time in nanoseconds.
      reason: why it cannot be used, or "".
      frames: how many can be read.
      height: upright rows.
      width: upright columns.
      rate: frames per second.
      duration: seconds.
      first: pts of the first frame.
      step: pts from each frame to the next, or 0 where that varies.
      times: all pts where they vary, otherwise empty.
      digest: of a picture's content, hexadecimal.
    """

    path: str
    size: int = 0
    modified: int = 0
    reason: str = ""
    frames: int = 0
    height: int = 0
    width: int = 0
    rate: float = 0.0
    duration: float = 0.0
    first: int = 0
    step: int = 0
    times: tuple[int, ...] = ()
    digest: str = ""

    def pts(self, numbers: np.ndarray) -> list[int]:
        """The time stamps of frames ``numbers``."""
        if self.step:
            return [self.first + int(number) * self.step for number in numbers]
        return [self.times[number] for number in numbers]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file: its noun, the extensions looked for in a folder, and what probes one."""

    noun: str
    extensions: Set[str]
    probe: Callable[[str], Entry]


@functools.cache
def name_once(name: str, reason: str) -> None:
    """Each bad file is named once in a process, however many sources meet it."""
    log.warning("%s is not used: %s", name, reason)


def _time_stamps(path: str) -> tuple[list[int], str]:
    """Sorted pts of all frames, and what is wrong with them or ""."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size and not p.is_corrupt]
        promised = stream.frames if "mp4" in container.format.name else 0  # others only estimate
        if len(packets) < promised:
            return [], f"truncated: {len(packets)} of {promised} frames readable"
        stamps = [packet.pts for packet in packets if not packet.is_discard]
    if None in stamps:  # streams without an index, such as MPEG-PS: decode to know
        with av.open(path) as container:
            stamps = [f.pts for f in container.decode(video=0) if f.pts is not None]
    return sorted(set(stamps)), ""


def probe(path: str | os.PathLike) -> Entry:
    """What is known of one file; a bad one has a ``reason`` and raises nothing."""
    path = os.path.abspath(path)
    try:
        stat = os.stat(path)
        entry = Entry(path, stat.st_size, stat.st_mtime_ns)
        if not stat.st_size:
            return dataclasses.replace(entry, reason="empty file")
        with av.open(path) as container:
            stream = container.streams.video[0]
            base, rate = stream.time_base, stream.average_rate
            frame = next(iter(container.decode(stream)), None)
            if frame is None:
                return dataclasses.replace(entry, reason="no frame can be decoded")
            height, width = video_files.upright(frame).shape[:2]
        stamps, reason = _time_stamps(path)
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        known = dataclasses.replace(entry) if "entry" in locals() else Entry(path)
        return dataclasses.replace(known, reason=video_files.reason_of(error))
    if reason or not stamps:
        return dataclasses.replace(entry, reason=reason or "no frame has a time stamp")
    gaps = np.diff(stamps)
    step = int(gaps[0]) if len(gaps) and np.all(gaps == gaps[0]) else 0
    last = float(np.median(gaps)) if len(gaps) else 0.0
    seconds = float((stamps[-1] - stamps[0] + last) * base)
    return dataclasses.replace(
        entry,
        frames=len(stamps),
        height=height,
        width=width,
        rate=float(rate) if rate else len(stamps) / max(seconds, 1e-9),
        duration=seconds,
        first=stamps[0],
        step=step,
        times=() if step else tuple(stamps),
    )


def listed(
    where: str | os.PathLike | Sequence[str | os.PathLike], kind: Kind | None = None
) -> list[str]:
    """Absolute paths of a folder (recursive), a text file of paths, one file, or a sequence.

    Args:
      where: one of these.
      kind: of the files; videos by default.

    Raises:
      FileNotFoundError: nothing is there, or a folder holds no file of the kind's extensions.
      ValueError: a list that is not text, or names no file.
    """
    kind = kind or Kind("video", EXTENSIONS, probe)
    extensions = " ".join(sorted(kind.extensions))
    if not isinstance(where, str | os.PathLike):
        return [os.path.abspath(path) for path in where]
    path = pathlib.Path(where).expanduser().absolute()
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in kind.extensions)
        if not found:
            raise FileNotFoundError(
                f"the folder {path} holds no {kind.noun}; extensions looked for: {extensions}."
            )
        return [str(p) for p in found if p.is_file()]
    if not path.exists():
        raise FileNotFoundError(f"no {kind.noun} folder, list or file at {path}; check the path.")
    if path.suffix.lower() in kind.extensions:
        return [str(path)]
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (UnicodeDecodeError, OSError) as error:
        raise ValueError(
            f"{path} is neither a {kind.noun} ({extensions}) nor a readable text file with one "
            f"path a line: {error}."
        ) from error
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise ValueError(f"the list {path} names no file; write one path a line.")
    return [os.path.normpath(path.parent / name) for name in names]


def _kept(file: pathlib.Path) -> dict[str, Entry]:
    try:
        stored = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if stored.get("version") != VERSION:
        return {}
    entries = [Entry(**{**e, "times": tuple(e["times"])}) for e in stored["entries"]]
    return {entry.path: entry for entry in entries}


def _keep(file: pathlib.Path, entries: list[Entry]) -> None:
    text = json.dumps({"version": VERSION, "entries": [dataclasses.asdict(e) for e in entries]})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as part:
            part.write(text)
        os.replace(part.name, file)
    except OSError as error:
        log.warning("the manifest %s cannot be kept (%s); files are probed again.", file, error)


def _unchanged(entry: Entry | None) -> bool:
    try:
        stat = os.stat(entry.path) if entry else None
    except OSError:
        return False
    return bool(stat) and (stat.st_size, stat.st_mtime_ns) == (entry.size, entry.modified)


def of(
    where: str | os.PathLike | Sequence[str | os.PathLike],
    progress: bool = True,
    kind: Kind | None = None,
) -> list[Entry]:
    """The entries of all files of ``where`` (see :func:`listed`), probed or remembered.

    Args:
      where: a folder, a list, one file, or a sequence of paths.
      progress: shows a bar when it takes longer than a second.
      kind: of the files; videos by default.
    """
    kind = kind or Kind("video", EXTENSIONS, probe)
    paths = listed(where, kind)
    name = hashlib.sha256("\n".join([kind.noun, *paths]).encode()).hexdigest()[:16]
    file = cache.folder("manifests") / f"{name}.json"
    known = {path: entry for path, entry in _kept(file).items() if _unchanged(entry)}
    wanted = [path for path in paths if path not in known]
    if wanted:
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(kind.probe, wanted)
            bar = tqdm.tqdm(
                found, f"{kind.noun}s", len(wanted), delay=1.0, disable=not progress, unit="file"
            )
            known.update((entry.path, entry) for entry in bar)
        _keep(file, [known[path] for path in paths])
    return [known[path] for path in paths]
