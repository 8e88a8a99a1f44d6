"""What is known of each file (data/entry.py), probed once and remembered.

What was found is kept in ``$PV_VAE_JAX_CACHE/manifests`` (``~/.cache/pv_vae_jax``) and holds as
long as size and modification time do: a file for each kind of file and the folder that all of a
place have in common, so that a place that grows is probed where it is new.  Bad files are named
there with their reason.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Sequence

import tqdm

from pv_vae_jax.core import cache, json_files, storage
from pv_vae_jax.data import listing
from pv_vae_jax.data.entry import PASSING, Entry, Kind
from pv_vae_jax.data.video_probe import VIDEOS

VERSION = 2
THREADS = 8
KEPT_EVERY = 60  # seconds: what an interrupted probing loses

log = logging.getLogger(__name__)


@functools.cache
def name_once(name: str, reason: str) -> None:
    """Each bad file is named once in a process, however many sources meet it."""
    log.warning("%s is not used: %s", name, reason)


def _kept(file: storage.Where) -> dict[str, Entry]:
    try:
        stored = json_files.read(file)
    except (OSError, ValueError):
        return {}
    if stored.get("version") != VERSION:
        return {}
    entries = [Entry(**{**e, "times": tuple(e["times"])}) for e in stored["entries"]]
    return {entry.path: entry for entry in entries}


def _keep(file: storage.Where, entries: Iterable[Entry]) -> None:
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


def of(where: listing.Places, progress: bool = True, kind: Kind = VIDEOS) -> list[Entry]:
    """The entries of all files of a place (data/listing.py), probed or remembered.

    Args:
      where: a folder, a list, one file, or a sequence of paths.
      progress: shows a bar when it takes longer than a second.
      kind: of the files.

    Raises:
      FileNotFoundError: nothing is there, or a folder holds no such file.
      ValueError: a list that is not text, or names no file.
    """
    return of_items(listing.of(where, kind).items, progress, kind)


def of_items(
    items: Sequence[listing.Item], progress: bool = True, kind: Kind = VIDEOS
) -> list[Entry]:
    """The entries of files that are listed already, in their order."""
    told = {item.path: item.stat for item in items}
    folders = [path.split("/")[:-1] for path in told]
    listed = f"{kind.noun}\n{'/'.join(os.path.commonprefix(folders))}"
    name = hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()[:16]  # of any bytes
    file = cache.folder("manifests") / f"{name}.json"
    kept = _kept(file)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        same = pool.map(lambda item: _unchanged(kept.get(item.path), item), items)
        known = {item.path for item, is_same in zip(items, same, strict=True) if is_same}
        wanted, saved = [path for path in told if path not in known], time.monotonic()
        bar = tqdm.tqdm(
            pool.map(kind.probe, wanted), f"{kind.noun}s", len(wanted), delay=1.0,
            disable=not progress, unit="file",
        )  # fmt: skip
        for entry in bar:
            kept[entry.path] = _as_listed(entry, told[entry.path])
            if time.monotonic() - saved > KEPT_EVERY:
                _keep(file, kept.values())
                saved = time.monotonic()
        if wanted:
            _keep(file, kept.values())
    return [kept[item.path] for item in items]
