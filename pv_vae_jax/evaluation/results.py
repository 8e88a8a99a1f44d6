"""What every result holds: the whole of its protocol, and what was found there.

    result = model | protocol with what was found there | figures with intervals | speed | time

What was found: the list of the videos and a checksum of it, a checksum of their decoded frames,
checksums of the judges, the versions of the decoders.  So two results with equal protocols looked
at the same pixels through the same networks.
"""

import dataclasses
import datetime
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from pv_vae_jax.core import storage
from pv_vae_jax.evaluation import datasets, figures, judging, protocol, result_files, tables
from pv_vae_jax.evaluation.measuring import Spent
from pv_vae_jax.evaluation.protocol import Protocol
from pv_vae_jax.evaluation.rows import Folder, Row
from pv_vae_jax.metrics import fidelity

LIST = "videos.txt"
LEVEL = 0.95


def judged(features: judging.Features) -> dict[str, str]:
    """What a result says of a judge."""
    judge = features.judge
    return {"name": judge.name, "sha256": judge.sha256, "prepared": judge.prepared}


def made(used: Protocol, judges: dict[str, Any]) -> dict[str, Any]:
    """What rows depend on: not on how many there are, nor on which."""
    fields = json.loads(json.dumps(dataclasses.asdict(used)))
    free = ("name", "videos", "seed", "speed", "datasets", "split")
    clip = {key: value for key, value in fields.items() if key not in free}
    return {"clip": clip | {"filter": datasets.FILTER}, "decoder": protocol.decoder()} | judges


def earlier(folder: Folder, used: Protocol) -> dict[str, Any]:
    """The result that a folder has, of the same videos or of more or fewer of them; {} if none.

    Raises:
      ValueError: it is of other videos.
    """
    if not storage.exists(folder.where / result_files.RESULT):
        return {}
    known, fields = result_files.read(folder.where), dataclasses.asdict(used)
    for name in ("datasets", "split", "seed"):
        if known["protocol"][name] != json.loads(json.dumps(fields[name])):
            raise ValueError(
                f"{folder.where} holds a result of another {name} ({known['protocol'][name]} "
                f"instead of {fields[name]}): choose another --out."
            )
    return dict(known)


def filled(used: Protocol, rows: Sequence[Row]) -> dict[str, Any]:
    """The protocol with what was found there."""
    return dataclasses.asdict(used) | {
        "filter": datasets.FILTER,
        "fidelity": fidelity.PROTOCOL,
        "distances": figures.PROTOCOL,
        "list_sha256": protocol.checksum(row.key for row in rows),
        "frames_sha256": protocol.checksum(row.digest for row in rows),
        "decoder": protocol.decoder(),
    }


def plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Intervals by name, as JSON values."""
    return {name: dataclasses.asdict(interval) for name, interval in found.items()}


def write(
    folder: Folder, found: dict[str, Any], rows: list[Row], replaced: list[Row], spent: Spent
) -> dict[str, Any]:
    """Adds what all results have, and writes list, table and result, in this order.

    Seconds are those of all processes that a result took.
    """
    found |= {
        "level": LEVEL,
        "replaced": {row.key: row.reason for row in replaced},
        "seconds": {what: round(each, 3) for what, each in spent.seconds.items()},
        "versions": protocol.versions() | {"python": platform.python_version()},
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    found = json.loads(json.dumps(found))
    if jax.process_index() == 0:
        storage.write(folder.where / LIST, "".join(f"{row.key}\n" for row in rows))
        storage.write(folder.where / "table.md", tables.table([found]) + "\n")
        storage.write(folder.where / result_files.RESULT, json.dumps(found, indent=1) + "\n")
    return found
