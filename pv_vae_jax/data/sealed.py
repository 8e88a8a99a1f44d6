"""A JSON object that knows its own checksum.

    sha256 = that of the same JSON without it (sorted keys, no spaces)                      (1)

So a damaged or edited file is told.
"""

import hashlib
import json
from typing import Any

from pv_vae_jax.core import storage


def _digest(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def write(path: storage.Where, content: dict[str, Any]) -> dict[str, Any]:
    """Writes JSON values with equation (1), whole or not at all; returns what was written."""
    content = content | {"sha256": _digest(content)}
    storage.write(path, json.dumps(content, sort_keys=True, indent=1) + "\n")
    return content


def read(path: Any, version: int, noun: str, door: str) -> dict[str, Any]:
    """What :func:`write` wrote, checked.

    Args:
      path: what ``storage.path`` gives.
      version: that its ``version`` must be.
      noun: what it is an index of: "shards".
      door: the command that writes it, last of all files of its folder.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is damaged or of another version.
      OSError: it cannot be read; the system says why.
    """
    try:
        text = storage.read(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"no {path.name} at {path.parent}: give the folder that {door} has finished (the same "
            "command goes on with one that it has not)."
        ) from error
    try:
        content = json.loads(text)
        known, written = content["sha256"], content["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not an index of {noun}, or damaged: {error}.") from error
    if written != version:
        raise ValueError(f"{path} is of version {written}, this program reads {version}.")
    found = _digest(content)
    if found != known:
        raise ValueError(
            f"{path} is damaged: its sha256 is {found[:16]} where it says {str(known)[:16]}; copy "
            "it again, or prepare the data again."
        )
    return content
