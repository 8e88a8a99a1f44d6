"""One row for each video of an evaluation, each in a file of its own.

    DIR/rows/NAME.npz,    NAME = the first 20 digits of sha256(key)                         (1)

A row is written whole or not at all, so a killed evaluation goes on with the videos that have none,
and several hosts write into one folder.  What the rows were made with stands in ``DIR/made.json``;
a folder of another protocol, model or judge is refused, or made anew.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pv_vae_jax.core import arrays, json_files, storage

MADE = "made.json"


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured on one video.

    Attributes:
      key: of the video, with the name of its data set.
      source: the film that it was cut from; rows of one source are not independent.
      digest: sha256 of the decoded frames.
      file: digest of what it was read from, where that may be another one of the same name.
      reason: why there is nothing, or "".
      values: figures by name.
      features: float32 vectors by name: "original", "result", "classifier".
    """

    key: str
    source: str
    digest: str = ""
    file: str = ""
    reason: str = ""
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    features: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


class Folder:
    """The rows of one evaluation."""

    def __init__(self, where: Any):
        self.where = storage.path(where)
        self._rows = self.where / "rows"

    def open(self, made: Mapping[str, Any], anew: bool = False) -> None:
        """Makes the folder, or goes on in one that was made with the same.

        Args:
          made: what rows depend on, JSON values.
          anew: begin again in a folder of another protocol, model or judge.

        Raises:
          ValueError: it is one, and ``anew`` is not said; the message tells the difference.
        """
        made, path = json.loads(json.dumps(made)), self.where / MADE
        if storage.exists(path):
            found = json_files.read(path)
            other = [name for name in {**made, **found} if found.get(name) != made.get(name)]
            if not other:
                return
            if not anew:
                raise ValueError(
                    f"{self.where} holds an evaluation with another {', '.join(other)} "
                    f"({found.get(other[0])} instead of {made.get(other[0])}): choose another "
                    "--out."
                )
            storage.remove_folder(self._rows)
        storage.make_folder(self._rows)
        storage.write(path, json.dumps(made, indent=1) + "\n")

    def has(self, key: str, file: str = "") -> bool:
        """Whether a video has its row, could be used, and was read from that file."""
        if not storage.exists(self._path(key)):
            return False
        about = self._about(key)
        return not about["reason"] and about.get("file", "") == file

    def write(self, row: Row) -> None:
        """Keeps a row, whole or not at all."""
        about = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        features = about.pop("features")
        text = json.dumps(about | {"values": dict(row.values)})
        arrays.write(self._path(row.key), dict(features), text)

    def read(self, keys: Iterable[str]) -> list[Row]:
        """The rows of these videos, in their order; those that have none are left out.

        Raises:
          ValueError: a file is damaged.
        """
        return [self._read(key) for key in keys if storage.exists(self._path(key))]

    def _read(self, key: str) -> Row:
        return Row(**self._about(key), features=arrays.read(self._path(key)))

    def _about(self, key: str) -> dict[str, Any]:
        return json.loads(arrays.read_text(self._path(key)))

    def _path(self, key: str) -> Any:
        return self._rows / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"
