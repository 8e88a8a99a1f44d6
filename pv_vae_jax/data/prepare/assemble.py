"""From the records of all sources to shards, by a rule that knows no order of work.

    N = ceil(bytes of a split / shard_bytes)                                              (1)
    shard of a record = floor(N f(key)),   its place there: by sha256(key)                (2)

with f of data/prepare/items.py: so each shard is a mixture of all sources, and the bytes of every
shard are a function of the sources and the rules, whichever machine made which part when.
"""

import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from array_record.python import array_record_module

from pv_vae_jax.core import json_files, storage
from pv_vae_jax.data import shard_index
from pv_vae_jax.data.prepare import items, pieces
from pv_vae_jax.data.prepare.unit import Report

OPTIONS = "group_size:1,uncompressed"  # each record is read by itself
MANIFEST, COUNTS = "manifest.jsonl", "counts.json"


def count_of(total: int, rules: pieces.Rules) -> int:
    """How many shards a split of ``total`` bytes has, equation (1)."""
    return rules.shards or max(1, -(-total // rules.shard_bytes))


def shard_of(key: str, count: int) -> int:
    """The shard of a record, equation (2)."""
    return int(items.fraction(key) * count)


def name_of(split: str, shard: int, count: int) -> str:
    """The file of a shard, ``train-00003-of-00017.array_record``."""
    return f"{split}-{shard:05d}-of-{count:05d}.array_record"


def place_in_shard(key: str) -> str:
    """Records of a shard are sorted by this, equation (2)."""
    return hashlib.sha256(key.encode()).hexdigest()


def folder_of(out: str | os.PathLike) -> Any:
    """``out`` as an absolute path, or as the path of a URL."""
    path = storage.path(out)
    return path if storage.is_url(out) else path.expanduser().absolute()


def write_shard(path: Any, data: Iterable[bytes]) -> dict[str, Any]:
    """Writes a shard, whole or not at all; returns its name, bytes and sha256.

    Raises:
      OSError: it cannot be written.
    """
    with storage.whole(path) as part:
        try:
            writer = array_record_module.ArrayRecordWriter(str(part), OPTIONS)
            for record in data:
                writer.write(record)
            writer.close()
        except RuntimeError as error:  # what its library makes of an error of the system
            said = str(error).split(";")[0].rstrip(".")
            raise OSError(f"{path} cannot be written: {said}.") from error
        digest = storage.sha256(part)
        size = part.stat().st_size
    return {"name": path.name, "bytes": size, "sha256": digest}


def without_copies(reports: list[Report]) -> list[Report]:
    """The reports in order; a file with the content of an earlier one is refused as its copy."""
    first: dict[str, str] = {}
    found = []
    for report in reports:
        if not report.refused and report.digest in first:
            reason = f"a copy of {first[report.digest]}"
            report = dataclasses.replace(report, refused=reason, records=[], dropped=[])
        elif not report.refused:
            first[report.digest] = report.source
        found.append(report)
    return found


def refuse_none(reports: list[Report]) -> None:
    """FileNotFoundError with all reasons if no source can be used."""
    if all(report.refused for report in reports):
        reasons = "\n".join(f"  {report.source}: {report.refused}" for report in reports)
        raise FileNotFoundError(f"none of {len(reports)} sources is usable:\n{reasons}")


def finish(
    folder: Any,
    shards: dict[str, list[dict[str, Any]]],
    reports: list[Report],
    prepared: dict[str, Any],
) -> dict[str, Any]:
    """Writes the manifest, the counts and, last, the index; returns the counts.

    Args:
      folder: where the shards are, what :func:`folder_of` gives.
      shards: by split, see ``shard_index.write``.
      reports: of all sources, in order.
      prepared: the rules and the sources, kept in the index.
    """
    lines = []
    for report in reports:
        line = dataclasses.asdict(report)
        for record in line["records"]:
            del record["byte"]
        lines.append(json.dumps(line, sort_keys=True))
    storage.write(folder / MANIFEST, "".join(f"{line}\n" for line in lines).encode())
    counts = counts_of(reports)
    storage.write(folder / COUNTS, json.dumps(counts, sort_keys=True, indent=1).encode() + b"\n")
    shard_index.write(folder, shards, prepared)
    return counts


def counts_in(folder: Any) -> dict[str, Any]:
    """The counts of a folder that is finished."""
    return json_files.read(folder / COUNTS)


def counts_of(reports: list[Report]) -> dict[str, Any]:
    """Sources, records and frames that are used, and by reason those that are not."""
    used = [report for report in reports if not report.refused]
    dropped, pieces_dropped = Counter(), Counter()
    for part in (part for report in used for part in report.dropped):
        dropped[part["reason"]] += part["frames"]
        pieces_dropped[part["reason"]] += 1
    return {
        "sources": {
            "used": len(used),
            "refused": len(reports) - len(used),
            "refused_for": dict(
                Counter(report.refused.split(" of ")[0] for report in reports if report.refused)
            ),
        },
        "records": _by_split(used, lambda record: 1),
        "frames": _by_split(used, lambda record: record["frames"]),
        "bytes": _by_split(used, lambda record: record["bytes"]),
        "frames_dropped": dict(dropped),
        "pieces_dropped": dict(pieces_dropped),
    }


def _by_split(reports: list[Report], value: Callable[[dict[str, Any]], int]) -> dict[str, int]:
    totals = dict.fromkeys(shard_index.SPLITS, 0)
    for report in reports:
        for record in report.records:
            totals[report.split_of(record)] += value(record)
    return totals
