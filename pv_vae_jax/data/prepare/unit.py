"""One source to its records: the unit of work, whoever does it and when.

The records and the report of a unit are a function of the source and the rules alone, so any number
of processes, in any order, killed and begun anew, make the same ones.
"""

import contextlib
import dataclasses
import os
import pathlib
from typing import Any, BinaryIO

import numpy as np

from pv_vae_jax.data import codecs, records, video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.prepare import items, originals, pieces


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


def _write(
    original: originals.File | originals.Example, rules: pieces.Rules, report: Report, to: BinaryIO
) -> None:
    rate, boundary = original.rate(), None
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
        data = records.encode(record)
        report.records.append(
            {
                "key": record.key,
                "first": part.first,
                "frames": frames,
                "byte": to.tell(),
                "bytes": len(data),
            }
        )
        if boundary is not None:
            side = "held_out" if part.first >= boundary else "train"
            report.records[-1]["split"] = side
        to.write(data)


def make(item: items.Item, rules: pieces.Rules, path: str | os.PathLike) -> Report:
    """Writes the records of a source to ``path``, one after the other, and reports.

    A source that cannot be read to its end gives no record, and the report says why.
    """
    report = Report(item.name)
    with open(path, "wb") as file:
        try:
            original = originals.opened(item)
            report.digest = original.digest
            report.split = item.split
            if not item.split and rules.by == "source":
                report.split = items.split_of(item.key or report.digest, rules.held_out)
            _write(original, rules, report, file)
        except (ClipError, OSError, ValueError) as error:
            report.refused = getattr(error, "reason", None) or video_files.reason_of(error)
            report.records, report.dropped = [], []
            file.truncate(0)
    return report


@contextlib.contextmanager
def reader(path: str | os.PathLike):
    """A function from a record of the report to its bytes in the unit's file."""
    with pathlib.Path(path).open("rb") as file:

        def read(record: dict[str, Any]) -> bytes:
            file.seek(record["byte"])
            return file.read(record["bytes"])

        yield read
