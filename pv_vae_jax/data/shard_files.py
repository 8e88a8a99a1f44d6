"""The records of ArrayRecord shards by number, read one by one.

    record n = record n - first_s of shard s,    first_s <= n < first_{s+1}                 (1)

How many records a shard has is known from an index, so no shard is opened before a record of it is
read; readers are opened once in each process.  Of a folder at a URL each shard is copied into the
cache when its first record is read (ArrayRecord wants a file of this machine), and checked.
"""

import dataclasses
import os
import pathlib
import resource
import shutil
from collections.abc import Sequence
from typing import Any

import grain
import numpy as np

from pv_vae_jax.core import cache, locks, storage
from pv_vae_jax.data.clips import ClipError

OTHERS = 1024  # files that a process has open besides


@dataclasses.dataclass(frozen=True)
class _Whole:
    """One shard with its number of records, so that the reader need not open it to know."""

    filename: str
    take: int
    skip: int = 0

    @property
    def examples_in_shard(self) -> int:
        return self.take


class ShardFiles:
    """Equation (1)."""

    def __init__(self, folder: Any, shards: Sequence[dict[str, Any]]):
        """Lists the folder and opens nothing.

        Args:
          folder: what ``storage.path`` gives of an absolute path or a URL.
          shards: ``name``, ``records``, ``bytes`` and ``sha256`` of each.

        Raises:
          FileNotFoundError: shards are missing.
          ValueError: a shard is of another size.
          OSError: the folder cannot be read.
        """
        _check(folder, shards)
        self.folder, self.shards = str(folder), list(shards)
        self._firsts = np.cumsum([0] + [shard["records"] for shard in shards])
        _make_room(len(self.shards))
        self._source = grain.sources.ArrayRecordDataSource(
            [_Whole(str(self._here(shard)), shard["records"]) for shard in shards]
        )

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def _shard_of(self, number: int) -> int:
        return int(np.searchsorted(self._firsts, number, side="right")) - 1

    def name_of(self, number: int) -> str:
        """The shard and the place in it of a record."""
        shard = self._shard_of(number)
        return f"{self.shards[shard]['name']} record {number - int(self._firsts[shard])}"

    def read(self, number: int) -> bytes:
        """The bytes of a record; ClipError if the shard or the record is damaged or gone."""
        try:
            self._fetch(self.shards[self._shard_of(number)])
            return self._source[number]
        except (RuntimeError, OSError, ValueError) as error:
            if "Too many open files" in str(error):
                raise OSError(
                    f"{self.folder} has {len(self.shards)} shards, more than this process may have "
                    "files open: raise the limit (ulimit -n), or make fewer, larger shards."
                ) from error
            raise ClipError(f"{self.folder}/{self.name_of(number)}", _reason_of(error)) from error

    def _here(self, shard: dict[str, Any]) -> pathlib.Path:
        """A shard as a file of this machine: itself, or where its one copy stands in the cache."""
        if not storage.is_url(self.folder):
            return pathlib.Path(self.folder) / shard["name"]
        return cache.folder("shards") / shard["sha256"][:32] / shard["name"]

    def _fetch(self, shard: dict[str, Any]) -> None:
        """Copies a shard that stands at a URL, once, and compares its sha256."""
        path = self._here(shard)
        if not storage.is_url(self.folder) or path.exists():
            return
        with locks.waited_for(path.with_name(f"{path.name}.lock")):
            if path.exists():  # another thread or process has brought it
                return
            with storage.here(storage.path(self.folder) / shard["name"]) as copy:
                found = storage.sha256(copy)
                if found != shard["sha256"]:
                    known = shard["sha256"][:16]
                    raise ValueError(f"sha256 is {found[:16]} where the index says {known}")
                with storage.whole(path) as partial:
                    shutil.move(copy, partial)


def _make_room(shards: int) -> None:
    """Raises the limit of open files as far as the system lets: a reader stays open for a shard."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = shards + OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _check(folder: Any, shards: Sequence[dict[str, Any]]) -> None:
    """All shards of the index are there with their sizes; one listing, none is opened."""
    if storage.is_url(folder):
        found = storage.files_under(folder).items()
        sizes = {name.rsplit("/", 1)[1]: stat[0] for name, stat in found}
    else:
        with os.scandir(folder) as entries:
            sizes = {entry.name: entry.stat().st_size for entry in entries}
    missing = [shard["name"] for shard in shards if shard["name"] not in sizes]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(shards)} shards of {folder} are missing, the first is "
            f"{missing[0]}; copy them again."
        )
    for shard in shards:
        if sizes[shard["name"]] != shard["bytes"]:
            raise ValueError(
                f"{folder / shard['name']} has {sizes[shard['name']]} bytes where the index says "
                f"{shard['bytes']}; it is truncated or another file: copy it again."
            )


def _reason_of(error: Exception) -> str:
    """What an error of the reader means, in a few words."""
    text = str(error)
    for sign, meaning in (
        ("No such file", "no such file"),
        ("Permission denied", "permission denied"),
        ("at least 64KB", "not an ArrayRecord file"),
        ("Postscript", "not an ArrayRecord file, or truncated"),
        ("hash mismatch", "damaged data (its checksum does not hold)"),
    ):
        if sign in text:
            return meaning
    return text.splitlines()[0] if text else type(error).__name__
