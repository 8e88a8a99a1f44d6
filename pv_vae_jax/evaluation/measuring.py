"""The rows of as many videos as a protocol wants: those that are kept are read, the others made.

    videos   in the protocol's order; the first that there are to be
    clips    decoded by threads, ahead of their use; always whole batches, so one program
    rows     by what is measured (looking.py), kept one by one (rows.py)

So a killed evaluation goes on and a second one costs seconds; each tries again a video that could
not be used, and a sample that is another one now.  Several hosts share the folder: of n hosts, host
i makes the rows i, i + n, i + 2 n, ...
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import jax
import numpy as np
import tqdm

from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation.rows import Folder, Row
from pv_vae_jax.sharding import agreement

THREADS = 4  # that decode


@dataclasses.dataclass(frozen=True)
class Video:
    """One video of a protocol.

    Attributes:
      key: its name.
      source: the film that it was cut from.
      read: its clip, uint8 ``[T, H, W, 3]``, or ClipError.
      file: digest of what it is read from, where that may be another one of the same name.
    """

    key: str
    source: str
    read: Callable[[], np.ndarray]
    file: Callable[[], str] = str


class Spent:
    """Seconds by what they were spent on, on top of those of earlier processes."""

    def __init__(self, before: Mapping[str, float] | None = None):
        self.seconds = collections.defaultdict(float, before or {})

    @contextlib.contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Counts the block."""
        begin = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - begin


RowsOf = Callable[[Sequence[Video], np.ndarray], list[Row]]
REPLACE = (
    "Mend them, or give --replace: the next videos of the order take their places, and the result "
    "names them."
)


def measure(
    *,
    name: str,
    videos: Sequence[Video],
    count: int,
    folder: Folder,
    rows_of: RowsOf,
    batch: int,
    replace: bool,
    spent: Spent,
    shared: bool = True,
    remedy: str = REPLACE,
) -> list[Row]:
    """The rows of ``count`` videos, and of those whose place others took.

    Args:
      name: of the protocol.
      videos: all that there are, in order.
      count: how many are wanted.
      folder: where rows are kept.
      rows_of: makes the rows of clips uint8 ``[batch, T, H, W, 3]``, of which these videos are the
        first; the rest are copies that fill up the batch.
      batch: clips at once, on all devices of this host.
      replace: the next videos of the order take the places of those that cannot be used.
      spent: counts the time.
      shared: whether all hosts of the program call this together; False: this one makes all rows.
      remedy: what a person may do where videos cannot be used.

    Raises:
      ValueError: a video cannot be used and none may take its place, there are too few, two have
        one name, or rows of other hosts are not in the folder.
    """
    if twice := [key for key, n in collections.Counter(v.key for v in videos).items() if n > 1]:
        raise ValueError(f"{name}: {len(twice)} videos are named twice, such as {twice[0]}.")
    tried, taken = 0, min(count, len(videos))
    while True:
        _fill(name, videos[tried:taken], folder, rows_of, batch, spent, shared)
        found = folder.read(video.key for video in videos[:taken])
        if missing := taken - len(found):
            raise ValueError(
                f"{missing} rows that other hosts made are not in {folder.where}: --out has to be "
                "a folder that all hosts share."
            )
        bad = [row for row in found if row.reason]
        if len(found) - len(bad) == count:
            return found
        if bad and not replace:
            raise ValueError(
                f"{len(bad)} of the {taken} videos of {name} cannot be used: {_told(bad)}. {remedy}"
            )
        if taken == len(videos):
            raise ValueError(
                f"{name} wants {count} videos; there are {len(videos)}, of which {len(bad)} cannot "
                f"be used{f' ({_told(bad)})' if bad else ''}: complete the data set, or measure "
                f"fewer by --set videos={max(1, len(found) - len(bad))}."
            )
        tried, taken = taken, min(count + len(bad), len(videos))


def _told(bad: Sequence[Row]) -> str:
    told = "; ".join(f"{row.key}: {row.reason}" for row in bad[:3])
    return told + f"; and {len(bad) - 3} more" * (len(bad) > 3)


def _fill(
    name: str,
    videos: Sequence[Video],
    folder: Folder,
    rows_of: RowsOf,
    batch: int,
    spent: Spent,
    shared: bool,
) -> None:
    """Makes those of the missing rows that are this host's."""
    host, hosts = (jax.process_index(), jax.process_count()) if shared else (0, 1)
    mine = videos[host::hosts]
    missing = [video for video in mine if not folder.has(video.key, video.file())]
    with tqdm.tqdm(
        total=len(mine), initial=len(mine) - len(missing), desc=name, unit="video", disable=None
    ) as bar:
        clips = _clips(missing, 2 * batch, spent)
        while group := list(itertools.islice(clips, batch)):
            for video, clip in group:
                if isinstance(clip, ClipError):
                    folder.write(Row(video.key, video.source, reason=clip.reason))
            good = [(video, clip) for video, clip in group if isinstance(clip, np.ndarray)]
            if good:
                filled = [clip for _, clip in good] + [good[0][1]] * (batch - len(good))
                seen = [video for video, _ in good]
                for video, row in zip(seen, rows_of(seen, np.stack(filled)), strict=True):
                    folder.write(dataclasses.replace(row, file=video.file()))
            bar.update(len(group))
    if hosts > 1:
        agreement.wait("rows")


def _clips(
    videos: Iterable[Video], ahead: int, spent: Spent
) -> Iterator[tuple[Video, np.ndarray | ClipError]]:
    """The clips of videos in order, ``ahead`` of them decoded or being decoded."""

    def read(video: Video) -> np.ndarray | ClipError:
        try:
            return video.read()
        except ClipError as error:
            return error

    videos = iter(videos)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        waiting = collections.deque()
        while True:
            for video in itertools.islice(videos, ahead - len(waiting)):
                waiting.append((video, pool.submit(read, video)))
            if not waiting:
                return
            video, clip = waiting.popleft()
            with spent.on("decoding"):
                clip = clip.result()
            yield video, clip
