"""Encodes the clips of a source and keeps their latents in shards (data/latents.py).

    shard s of a split    the records of the clips s m, ..., (s + 1) m - 1 that can be read,
                          m = records_per_shard div records of a clip                       (1)

The bytes of a shard are a function of model, source and options.  It is written whole, and then
what is known of it (work.py), so a killed run goes on at the first shard that is missing.  Of n
hosts, which share the folder, host i writes the shards i, i + n, ...
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import tqdm

from pv_vae_jax.checkpoint import files
from pv_vae_jax.data import latent_records, latents, shard_index
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.prepare import assemble
from pv_vae_jax.data.sources import Source
from pv_vae_jax.generation.caching.clips import Clips, Made, Reader, Shard
from pv_vae_jax.generation.caching.encoder import Encoder
from pv_vae_jax.generation.caching.moments import Moments
from pv_vae_jax.generation.caching.work import Known, Work
from pv_vae_jax.models import identity
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import agreement


class Caching:
    """One folder of latents to be.

    Attributes:
      request: what decides its bytes, as JSON values; part of the index.
      shards: in order, of all splits.
    """

    def __init__(
        self,
        vae: VideoVAE,
        sources: Mapping[str, Source],
        clips: Clips,
        described: Mapping[str, Any],
        out: str | os.PathLike,
        dtype: str = "float16",
        records_per_shard: int = 512,
    ):
        """Prepares; nothing is read yet.

        Args:
          vae: the model.
          sources: by split, "train" and perhaps "held_out", for clips of ``clips.span`` frames.
          clips: which.
          described: the sources as JSON values; kept, and compared when a run goes on.
          out: the folder, or its URL.
          dtype: how latents are kept, "float16" or "bfloat16".
          records_per_shard: at most; of a clip that is flipped, both are in one shard.

        Raises:
          ValueError: a number or type that cannot be, or clips that do not fit the model.
        """
        if dtype not in latent_records.DTYPES:
            raise ValueError(f"--dtype is {' or '.join(latent_records.DTYPES)}, got {dtype}.")
        if records_per_shard < clips.records:
            raise ValueError(
                f"--records_per_shard is a number from {clips.records}, got {records_per_shard}."
            )
        shape = vae.spec.latent_shape(clips.frames, clips.height, clips.width)
        self.request = {
            "identity": identity.identity(vae),
            "clips": dataclasses.asdict(clips) | dict(described),
            "dtype": dtype,
            "shape": list(shape),
            "records_per_shard": records_per_shard,
        }
        self._vae, self._sources, self._clips = vae, dict(sources), clips
        self._out = assemble.folder_of(out)
        self.shards = [shard for split in self._sources for shard in self._shards_of(split)]

    def _shards_of(self, split: str) -> Iterator[Shard]:
        """Equation (1)."""
        clips = self._clips.of(split)
        total = len(self._sources[split]) * clips.draws
        step = self.request["records_per_shard"] // clips.records
        count = -(-total // step)
        for s in range(count):
            name = assemble.name_of(split, s, count)
            yield Shard(split, name, s * step, min(total, (s + 1) * step))

    def run(
        self, batch: int = 4, threads: int = 4, progress: bool = True
    ) -> tuple[dict[str, Any], bool]:
        """Writes what is missing.

        Args:
          batch: clips at once on each device of this host.
          threads: that decode, ahead of the devices.
          progress: shows a bar.

        Returns:
          The index, and whether anything was left to write.

        Raises:
          ValueError: the folder holds, or was begun with, other latents; a latent is not finite or
            too large for the type; no clip of a split can be read.
        """
        if batch < 1 or threads < 1:
            raise ValueError(f"--batch and --threads are from 1, got {batch} and {threads}.")
        work = Work(self._out, self.request)
        index = work.finished()
        if index is not None:
            return index, False
        if jax.process_index() == 0:
            work.begin()
        agreement.wait("latents begun")
        work.check()
        mine = self.shards[jax.process_index() :: jax.process_count()]
        left = [shard for shard in mine if work.known(shard.name) is None]
        encoder, reader = Encoder(self._vae, batch), Reader(self._sources, self._clips, threads)
        total, to_do = (sum(shard.clips for shard in each) for each in (mine, left))
        with tqdm.tqdm(
            total=total, initial=total - to_do, desc="latents", unit="clip", disable=not progress
        ) as bar:
            for shard in left:
                self._write(shard, work, encoder, reader, bar)
        agreement.wait("latents written")
        if jax.process_index() == 0:
            self._finish(work)
        agreement.wait("latents finished")
        return latents.read_index(self._out), True

    def _write(
        self, shard: Shard, work: Work, encoder: Encoder, reader: Reader, bar: tqdm.tqdm
    ) -> None:
        """Writes a shard, and then what is known of it."""
        known, dtype = Known(Moments.none(self._vae.spec.channels)), self.request["dtype"]

        def readable() -> Iterator[Made]:
            for n, made in reader.ahead(shard):
                if isinstance(made, ClipError):
                    known.skip(f"{shard.split}/{n}", made)
                else:
                    yield from made
                bar.update()

        def records() -> Iterator[bytes]:
            for header, posterior in encoder(readable()):
                whose = f"of {header.source} ({header.key})"
                mean = latent_records.stored(posterior.mean, dtype, f"the mean {whose}")
                logvar = latent_records.stored(posterior.logvar, dtype, f"the logvar {whose}")
                known.add(header.label, Moments.of(mean, self._vae.mean, self._vae.std))
                yield latent_records.encode(header, mean, logvar)

        work.keep(known, assemble.write_shard(self._out / shard.name, records()))

    def _finish(self, work: Work) -> None:
        """Writes the names of the labels and, last, the index."""
        known = {shard.name: work.known(shard.name) for shard in self.shards}
        splits = {}
        for split, source in self._sources.items():
            of_split = [known[shard.name] for shard in self.shards if shard.split == split]
            skipped = {key: why for each in of_split for key, why in each.skipped.items()}
            splits[split] = {
                "shards": [each.described() for each in of_split],
                "records": sum(each.records for each in of_split),
                "skipped": skipped,
                "refused": source.refused,
            }
            if not splits[split]["records"]:
                reasons = "\n".join(f"  {why}" for why in list(skipped.values())[:20])
                raise ValueError(
                    f"none of {len(skipped)} clips of the split {split} can be read:\n{reasons}"
                )
        classes = tuple(self._sources["train"].classes)
        shard_index.keep_classes(self._out, classes)
        moments = sum(
            (each.moments for each in known.values()), Moments.none(self._vae.spec.channels)
        )
        work.finish(
            {
                "version": latents.VERSION,
                "package_version": files.package_version(),
                **self.request,
                "labels": len(classes) or 1 + max(each.label for each in known.values()),
                "moments": moments.described(),
                "splits": splits,
            }
        )
