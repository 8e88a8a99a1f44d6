"""The folder of a preparation under way: what is done is told from what is not, and kept.

    WORK/begun.json         the rules and the sources, by which the same command is known
    WORK/NUMBER.records     the records of a source, one after the other
    WORK/NUMBER.json        its report; a source that has one is done
    WORK/NUMBER.unreadable  why a source could not be read, for a reason that may pass
    WORK/SHARD.json         name, bytes and sha256 of a shard that is done

WORK is OUT/work; of an OUT at a URL it is a folder of the cache, on this machine.  Every file is
renamed into place when it is whole, the report after the records.  A run that is killed leaves
nothing half done; one that is under way holds a lock.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from pv_vae_jax.core import cache, json_files, locks, storage
from pv_vae_jax.data.prepare import items, pieces, unit


def prepared(rules: pieces.Rules, sources: list[items.Item]) -> dict[str, Any]:
    """What the index says of how a folder was made; equal for equal rules, names and sizes."""
    described = [
        [item.name, item.label, item.caption, item.key, item.split, item.stamp[0]]
        + ([item.example.rate, sorted(item.example.features)] if item.example else [])
        for item in sources
    ]
    text = json.dumps(described, sort_keys=True).encode()
    return {
        "rules": dataclasses.asdict(rules),
        "sources": len(sources),
        "sources_sha256": hashlib.sha256(text).hexdigest(),
    }


@dataclasses.dataclass(frozen=True)
class Work:
    """The folder of one preparation; ``out`` is where its shards go."""

    out: Any  # what storage.path gives

    @property
    def folder(self) -> pathlib.Path:
        """Where the parts are until the shards are whole."""
        if not storage.is_url(self.out):
            return self.out / "work"
        home = cache.folder("prepare")
        if storage.is_url(home):
            raise ValueError(
                f"--out {self.out} wants a folder of this machine for its parts, but "
                f"PV_VAE_JAX_CACHE is {home}: set it to a path."
            )
        return home / hashlib.sha256(str(self.out).encode()).hexdigest()[:32]

    def shard(self, name: str) -> dict[str, Any] | None:
        """What is known of a shard, None while it is not done."""
        return self._read(f"{name}.json")

    def shard_done(self, name: str, described: dict[str, Any]) -> None:
        """Keeps what is known of a shard that is whole."""
        storage.write(self.folder / f"{name}.json", json.dumps(described))

    def _read(self, name: str) -> Any:
        try:
            return json_files.read(self.folder / name)
        except FileNotFoundError:
            return None

    def records(self, number: int) -> pathlib.Path:
        """The records of a source."""
        return self.folder / f"{number:08d}.records"

    def report(self, number: int) -> unit.Report | None:
        """The report of a source, None while it is not done."""
        report = self._read(f"{number:08d}.json")
        return None if report is None else unit.Report(**report)

    def make(self, number: int, item: items.Item, rules: pieces.Rules) -> None:
        """Makes the records and the report of a source, or notes that it cannot be read now."""
        part = self.folder / f"{number:08d}.records.{os.getpid()}.tmp"
        try:
            report = unit.make(item, rules, part)
        except unit.Unreadable as error:
            storage.write(self.folder / f"{number:08d}.unreadable", str(error))
            return
        os.replace(part, self.records(number))
        text = json.dumps(dataclasses.asdict(report), sort_keys=True).encode()
        storage.write(self.folder / f"{number:08d}.json", text)

    def check_readable(self) -> None:
        """OSError if sources could not be read for reasons that may pass."""
        told = [file.read_text() for file in sorted(self.folder.glob("*.unreadable"))]
        if told:
            more = f"; and {len(told) - 5} more" * (len(told) > 5)
            raise OSError(
                f"{len(told)} sources could not be read, all others are kept: "
                f"{'; '.join(told[:5])}{more}. Give the same command again when they can, or "
                "leave them out in another --out."
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """ValueError while another process prepares into the same folder."""
        lock = locks.taken(self.folder / "lock")
        if lock is None:
            raise ValueError(f"another process prepares into {self.out}; wait for it, or end it.")
        try:
            yield
        finally:
            os.close(lock)

    def begin(self, request: dict[str, Any], sources: list[items.Item]) -> None:
        """Notes what is prepared, or checks that it is what was begun; clears what was half done.

        Raises:
          ValueError: other rules or sources than those that the folder was begun with.
        """
        here = [] if storage.is_url(self.out) else [self.out]
        for folder in (self.folder, *here):
            tmp, partial = folder.glob("*.tmp"), folder.glob(".*.partial")
            for part in (*tmp, *partial, *folder.glob("*.unreadable")):
                part.unlink()
        begun = self.folder / "begun.json"
        now = {**request, "times": [list(item.stamp) for item in sources]}
        if not begun.exists():
            storage.write(begun, json.dumps(now, sort_keys=True).encode())
            return
        refuse_other(self.out, json_files.read(begun), now)

    def remove(self) -> None:
        """Removes the parts."""
        shutil.rmtree(self.folder)


def refuse_other(out: Any, before: dict[str, Any], now: dict[str, Any]) -> None:
    """ValueError if a folder holds something else than what is asked for now."""
    old = {**dataclasses.asdict(pieces.Rules()), **before["rules"]}  # by an earlier version
    before = {**before, "rules": old}
    changed = [
        f"{key} is {value!r} and was {old.get(key)!r}"
        for key, value in now["rules"].items()
        if old.get(key) != value
    ]
    if before != now and not changed:
        changed = [f"the sources changed ({before['sources']} then, {now['sources']} now)"]
    if changed:
        raise ValueError(
            f"{out} was prepared otherwise: {'; '.join(changed)}. Use the same command, or another "
            "folder."
        )
