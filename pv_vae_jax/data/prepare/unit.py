"""One source to its records: the unit of work, whoever does it and when.

The records and the report of a unit are a function of the source and the rules alone, so any number
of processes, in any order, killed and begun anew, make the same ones.
"""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from pv_vae_jax.core import store_errors
from pv_vae_jax.data import codecs, records, video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.prepare import items, originals, pieces


class Unreadable(OSError):
    """A source that cannot be read now; the message has its name and the reason."""


@dataclasses.dataclass
class Report:
    """What became of a source.

    Attributes:
      source: its name.
      digest: sha256 of the content, "" if it cannot be read.
      split: "train" or "held_out"; "" by time, where each record says its own.
      refused: why nothing of it is used, or "".
      records: of each: key, first frame, frames, byte of the unit's file, bytes; by time its split.
      dropped: of each: first frame, frames, reason.
    """

    source: str
    digest: str = ""
    split: str = ""
    refused: str = ""
    records: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    dropped: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def split_of(self, record: dict[str, Any]) -> str:
        """The split of one of its records."""
        return record.get("split") or self.split


def _coded(video: np.ndarray, rate: float, rules: pieces.Rules) -> tuple[bytes, codecs.Starts]:
    if rules.codec == "jpeg":
        return codecs.jpeg(video, rules.quality)
    return codecs.h264(video, rate, rules.crf, rules.group)


def _read(
    item: items.Item, rules: pieces.Rules, report: Report
) -> Iterator[tuple[records.Record, str]]:
    """The records of a source, with the split where it is by time; the report says the rest."""
    original, boundary = originals.opened(item), None
    report.digest, report.split = original.digest, item.split
    if not item.split and rules.by == "source":
        report.split = items.split_of(item.key or report.digest, rules.held_out)
    rate = original.rate()
    if not report.split:
        boundary = rules.boundary(original.count())
    for part in pieces.of(original.frames(), rules, boundary):
        if isinstance(part, pieces.Dropped):
            report.dropped.append(dataclasses.asdict(part))
            continue
        payload, starts = _coded(part.video, rate, rules)
        frames, height, width = part.video.shape[:3]
        record = records.Record(
            codec=rules.codec,
            payload=payload,
            starts=starts,
            frames=frames,
            height=height,
            width=width,
            rate=rate,
            key=f"{report.digest[:16]}-{part.first:08d}",
            source=report.source,
            first=part.first,
            label=original.label,
            caption=original.caption,
        )
        split = ""
        if boundary is not None:
            split = "held_out" if part.first >= boundary else "train"
        yield record, split


def _readable(
    item: items.Item, rules: pieces.Rules, report: Report
) -> Iterator[tuple[records.Record, str]]:
    """As far as the source can be read; what is wrong with it goes into the report."""
    try:
        yield from _read(item, rules, report)
    except (ClipError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or video_files.reason_of(error)
        if store_errors.may_pass(error):
            raise Unreadable(f"{item.name}: {reason}") from error
        report.refused = reason


def make(item: items.Item, rules: pieces.Rules, path: str | os.PathLike) -> Report:
    """Writes the records of a source to ``path``, one after the other, and reports.

    A source that cannot be read to its end gives no record, and the report says why.

    Raises:
      Unreadable: it cannot be read now, for a reason that is none of its own.
      OSError: ``path`` cannot be written.
    """
    report = Report(item.name)
    with open(path, "wb") as file:
        for record, split in _readable(item, rules, report):
            data = records.encode(record)
            known = {"key": record.key, "first": record.first, "frames": record.frames}
            known |= {"byte": file.tell(), "bytes": len(data)} | ({"split": split} if split else {})
            report.records.append(known)
            file.write(data)
        if report.refused:
            report.records, report.dropped = [], []
            file.truncate(0)
        file.flush()
        os.fsync(file.fileno())
    return report


@contextlib.contextmanager
def reader(path: str | os.PathLike):
    """A function from a record of the report to its bytes in the unit's file."""
    with pathlib.Path(path).open("rb") as file:

        def read(record: dict[str, Any]) -> bytes:
            file.seek(record["byte"])
            data = file.read(record["bytes"])
            if len(data) != record["bytes"]:
                raise ValueError(f"{path} is cut off: remove its folder, and prepare again.")
            return data

        yield read
