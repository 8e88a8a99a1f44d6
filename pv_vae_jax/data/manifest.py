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
from collections.abc import Callable, Sequence, Set

import av
import numpy as np
import tqdm

from pv_vae_jax.core import cache, storage
from pv_vae_jax.data import listing, video_files

EXTENSIONS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv"}
VERSION = 2
THREADS = 8
PASSING = -1  # a "modified" that no file has: what could not be read is probed at the next start

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file.

    Attributes:
      path: absolute, or a URL.
      size: bytes.
      modified: modification time in nanoseconds; of a URL, a number of its version.
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


def time_stamps(film: str | bytes) -> tuple[list[int], str]:
    """Sorted pts of all frames of a file or its bytes, and what is wrong with them or ""."""
    with video_files.container_of(film) as container:
        stream = container.streams.video[0]
        whole = (p for p in container.demux(stream) if p.size and not p.is_corrupt)
        packets = [(p.pts, p.is_discard) for p in whole]  # not their bytes: the film is long
        promised = stream.frames if "mp4" in container.format.name else 0  # others only estimate
        if len(packets) < promised:
            return [], f"truncated: {len(packets)} of {promised} frames readable"
        stamps = [pts for pts, is_discard in packets if not is_discard]
    if None in stamps:  # streams without an index, such as MPEG-PS: decode to know
        with video_files.container_of(film) as container:
            stamps = [f.pts for f in container.decode(video=0) if f.pts is not None]
    return sorted(set(stamps)), ""


def probe(film: str | os.PathLike | bytes) -> Entry:
    """What is known of one file, or of its bytes; a bad one has a ``reason``, nothing raises."""
    path = "" if isinstance(film, bytes) else storage.absolute(film)
    film = film if isinstance(film, bytes) else path
    try:
        entry = Entry(path, *(storage.stat(path) if path else (len(film), 0)))
        if not entry.size:
            return dataclasses.replace(entry, reason="empty file")
        with video_files.container_of(film) as container:
            stream = container.streams.video[0]
            base, rate = stream.time_base, stream.average_rate
            frame = next(iter(container.decode(stream)), None)
            if frame is None:
                return dataclasses.replace(entry, reason="no frame can be decoded")
            height, width = video_files.upright(frame).shape[:2]
            is_avi = "avi" in container.format.name  # B-frames there have the stamps of decoding
        stamps, reason = time_stamps(film)
        if is_avi and not reason and not video_files.in_order(film):
            reason = "its time stamps are not in order: remux it, such as to MP4"
    except video_files.FAILURES as error:
        known = dataclasses.replace(entry) if "entry" in locals() else Entry(path)
        if isinstance(error, OSError) and not isinstance(error, av.FFmpegError):
            known = dataclasses.replace(known, modified=PASSING)  # of the system, not of the film
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
    return [item.path for item in items_of(where, kind).items]


def items_of(where: listing.Places, kind: Kind | None = None, labels: str = "") -> listing.Listing:
    """The same with labels and captions (data/listing.py)."""
    kind = kind or Kind("video", EXTENSIONS, probe)
    return listing.of(where, kind.noun, kind.extensions, labels)


def _kept(file: storage.Where) -> dict[str, Entry]:
    try:
        stored = json.loads(storage.read(file))
    except (OSError, ValueError):
        return {}
    if stored.get("version") != VERSION:
        return {}
    entries = [Entry(**{**e, "times": tuple(e["times"])}) for e in stored["entries"]]
    return {entry.path: entry for entry in entries}


def _keep(file: storage.Where, entries: list[Entry]) -> None:
    text = json.dumps({"version": VERSION, "entries": [dataclasses.asdict(e) for e in entries]})
    try:
        storage.write(file, text)
    except OSError as error:
        log.warning("the manifest %s cannot be kept (%s); files are probed again.", file, error)


def _unchanged(entry: Entry | None, item: listing.Item) -> bool:
    try:
        stat = (item.stat or storage.stat(item.path)) if entry else None
    except OSError:
        return False
    return stat is not None and stat == (entry.size, entry.modified)


def _as_listed(entry: Entry, stat: tuple[int, int] | None) -> Entry:
    """With the version that the listing of a store told; asking for one file may tell another."""
    if stat is None or entry.modified == PASSING:
        return entry
    return dataclasses.replace(entry, size=stat[0], modified=stat[1])


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
    return of_items(items_of(where, kind).items, progress, kind)


def of_items(
    items: Sequence[listing.Item], progress: bool = True, kind: Kind | None = None
) -> list[Entry]:
    """The entries of files that are listed already, in their order."""
    kind = kind or Kind("video", EXTENSIONS, probe)
    paths = [item.path for item in items]
    listed = "\n".join([kind.noun, *paths]).encode(errors="surrogateescape")  # of any bytes
    name = hashlib.sha256(listed).hexdigest()[:16]
    file, told = cache.folder("manifests") / f"{name}.json", {i.path: i.stat for i in items}
    kept = _kept(file)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        same = pool.map(lambda item: _unchanged(kept.get(item.path), item), items)
        known = {path: kept[path] for path, is_same in zip(paths, same, strict=True) if is_same}
        wanted = [path for path in paths if path not in known]
        if wanted:
            found = pool.map(kind.probe, wanted)
            bar = tqdm.tqdm(
                found, f"{kind.noun}s", len(wanted), delay=1.0, disable=not progress, unit="file"
            )
            known.update((entry.path, _as_listed(entry, told[entry.path])) for entry in bar)
            _keep(file, [known[path] for path in paths])
    return [known[path] for path in paths]
