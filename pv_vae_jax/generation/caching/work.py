"""The folder of latents under way: what is done is told from what is not, and kept.

    OUT/work/begun.json    what decides the bytes, by which the same command is known
    OUT/work/SHARD.json    what is known of a shard that is whole; written after it

All hosts see the folder.  Every file is written whole or not at all; the index is the last, and
then the folder of work goes.
"""

import dataclasses
import json
from typing import Any

from pv_vae_jax.core import json_files, storage
from pv_vae_jax.data import latents, sealed
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.shard_files import ShardFiles
from pv_vae_jax.generation.caching.moments import Moments
from pv_vae_jax.models import identity


@dataclasses.dataclass
class Known:
    """What is known of a shard.

    Attributes:
      moments: of its normalised means.
      records: how many it has.
      label: the highest, -1 for none.
      skipped: key of a clip that cannot be read to its name and reason.
      file: ``name``, ``bytes`` and ``sha256``.
    """

    moments: Moments
    records: int = 0
    label: int = -1
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    file: dict[str, Any] = dataclasses.field(default_factory=dict)

    def add(self, label: int, moments: Moments) -> None:
        """Counts a record."""
        self.records, self.label = self.records + 1, max(self.label, label)
        self.moments = self.moments + moments

    def skip(self, key: str, error: ClipError) -> None:
        """Notes a clip that cannot be read."""
        self.skipped[key] = str(error)

    def described(self) -> dict[str, Any]:
        """The shard as it stands in the index."""
        return self.file | {"records": self.records}


class Work:
    """The folder ``out / work`` of latents that ``request`` decides."""

    def __init__(self, out: Any, request: dict[str, Any]):
        self.out, self.request = out, request
        self._folder = out / "work"

    def finished(self) -> dict[str, Any] | None:
        """The index if the folder is finished, with all its shards.

        Raises:
          ValueError: it holds other latents, or is damaged.
          FileNotFoundError: shards are missing.
        """
        if not storage.exists(self.out / latents.NAME):
            return None
        index = latents.read_index(self.out)
        self._refuse_other(index)
        for split in index["splits"].values():
            ShardFiles(self.out, split["shards"])
        return index

    def begin(self) -> None:
        """Notes what is made, if nothing was begun; removes what was half written."""
        if not storage.is_url(self.out):
            for part in self.out.glob(".*.partial"):
                part.unlink()
        if not storage.exists(self._folder / "begun.json"):
            storage.write(self._folder / "begun.json", json.dumps(self.request, sort_keys=True))

    def check(self) -> None:
        """Raises ValueError if the folder was begun with something else."""
        self._refuse_other(json_files.read(self._folder / "begun.json"))

    def _refuse_other(self, before: dict[str, Any]) -> None:
        identity.check(self.request["identity"], before["identity"], f"the latents at {self.out}")
        old, new = (
            {key: each[key] for key in ("dtype", "shape", "records_per_shard")} | each["clips"]
            for each in (before, self.request)
        )
        names = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
        if names:
            told = [f"{name} is {new.get(name)!r} and was {old.get(name)!r}" for name in names]
            raise ValueError(
                f"the latents at {self.out} were prepared otherwise: {'; '.join(sorted(told))}. "
                "Give the same options, or another --out."
            )

    def known(self, name: str) -> Known | None:
        """What is known of a shard, None while it is not done."""
        try:
            found = json_files.read(self._folder / f"{name}.json")
        except FileNotFoundError:
            return None
        return Known(**found | {"moments": Moments(**found["moments"])})

    def keep(self, known: Known, file: dict[str, Any]) -> None:
        """Keeps what is known of a shard that is whole."""
        text = json.dumps(dataclasses.asdict(known) | {"file": file})
        storage.write(self._folder / f"{file['name']}.json", text)

    def finish(self, index: dict[str, Any]) -> None:
        """Writes the index, and removes the folder of work."""
        sealed.write(self.out / latents.NAME, index)
        storage.remove_folder(self._folder)
