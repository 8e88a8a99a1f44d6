"""The analyses of one model by one protocol, in one pass over the videos.

    videos -> looks -> rows, kept one by one -> a finding for each analysis -> media of a few videos

A finding that is kept (finding.py, equation 1) is not made again, and a row that is kept is read: a
killed analysis goes on, a second command computes nothing.  Videos that cannot be used are listed
in the finding, and the next ones of the order take their places.

    OUT/LABEL/rows/NAME-VERSION/    VERSION: of model, clips and settings
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from pv_vae_jax.analysis import finding, looks, showing
from pv_vae_jax.analysis import flow as flows
from pv_vae_jax.analysis.activation import PCA
from pv_vae_jax.analysis.finding import Finding
from pv_vae_jax.analysis.looks import Look
from pv_vae_jax.analysis.prediction import Prediction
from pv_vae_jax.analysis.temporal_distance import TemporalDistance
from pv_vae_jax.evaluation import evaluate, judging, measuring, protocol, results, videos
from pv_vae_jax.evaluation.measuring import Spent, Video
from pv_vae_jax.evaluation.protocol import Protocol
from pv_vae_jax.evaluation.rows import Folder, Row
from pv_vae_jax.models.video_vae import VideoVAE

NAMES = ("pca", "ltd", "prediction", "videos")
FIELDS = (
    *("name", "datasets", "split", "videos", "frames", "stride", "height", "width"),
    *("precision", "seed"),
)  # of a protocol: those that decide clips and latents
FOUND = ("filter", "list_sha256", "frames_sha256", "decoder")  # there, by evaluation/results.py


@dataclasses.dataclass(frozen=True)
class Setup:
    """How models are analysed; the same for all that are to be compared.

    Attributes:
      used: the protocol.
      data: folders of its data sets, by name.
      out: folder of the findings, a path or a URL.
      only: some of ``NAMES``.
      flow: "dis", "exact" or a folder (flow.py).
      basis: of the colours of principal components: "video" or "shared".
      shown: how many videos are shown as films.
      batch: clips at once on each device.
      command: for the findings.
    """

    used: Protocol
    data: Mapping[str, str]
    out: Any
    only: Sequence[str] = NAMES
    flow: str = "dis"
    basis: str = "video"
    shown: int = 8
    batch: int = 1
    command: str = ""

    def __post_init__(self):
        if unknown := [name for name in self.only if name not in NAMES]:
            raise ValueError(f"--only is some of {','.join(NAMES)},probes; got {unknown[0]!r}.")
        if self.basis not in showing.BASES:
            raise ValueError(f"--basis is one of {', '.join(showing.BASES)}; got {self.basis!r}.")
        if self.basis == "shared" and "videos" in self.only and "pca" not in self.only:
            raise ValueError("--basis shared is found by pca: let --only name it too.")
        if self.shown < 1 or self.batch < 1:
            raise ValueError(f"--show and --batch are at least 1: {self.shown}, {self.batch}.")

    @functools.cached_property
    def videos(self) -> list[Video]:
        """All that there are, in order."""
        return videos.of_datasets(self.used, self.data)

    @functools.cached_property
    def available(self) -> dict[str, str]:
        """By which findings of other data of the same sets are known; {} where the data is gone."""
        try:
            return {"available_sha256": protocol.checksum(video.key for video in self.videos)}
        except FileNotFoundError:
            return {}

    @functools.cached_property
    def flow_source(self) -> flows.Source:
        """Where flow comes from."""
        return flows.source(self.flow, self.used)

    def analyses(self) -> list[Any]:
        """Those of rows that are wanted."""
        found = PCA(self.flow_source.settings), TemporalDistance(), Prediction()
        return [each for each in found if each.name in self.only]


def analyse(setup: Setup, vae: VideoVAE, about: Mapping[str, Any]) -> list[Finding]:
    """Analyses a video VAE, and writes the findings into ``OUT/LABEL``.

    Args:
      setup: how.
      vae: the model; it computes in the protocol's precision.
      about: what a finding says of it: name, label, spec, parameters, sha256, trained, training.

    Returns:
      The findings, in the order of ``NAMES``.

    Raises:
      ValueError: another model's folder, too few videos, or a result that is not finite.
      FileNotFoundError: a data set is missing; the message says what to get.
    """
    used = setup.used
    vae.spec.latent_shape(used.frames, used.height, used.width)  # or a sentence, as the next
    looks.observed_frames(used.frames, vae.spec.temporal)
    about = finding.described(vae, about)
    folder = finding.open_folder(setup.out / about["label"], about)
    fields, analyses = protocol_of(used) | setup.available, setup.analyses()
    found = {
        each.name: finding.kept(folder, each.name, about, fields, each.settings)
        for each in analyses
    }
    showing_settings = showing.settings(setup.flow_source, setup.basis, setup.shown)
    if "videos" in setup.only:
        found["videos"] = finding.kept(folder, "videos", about, fields, showing_settings)
    if all(found.values()):
        return list(found.values())
    vae = evaluate.placed(vae, used.precision)
    several = _Several(folder, analyses, used, about["digest"])
    look = functools.partial(Look, vae, flow_of=setup.flow_source.of)
    rows = _measured(setup, several, look, about["label"])
    if jax.process_index():
        return [each for each in found.values() if each]
    base = Finding("", about, {}, {}, {}, command=setup.command)
    for each in analyses:
        found[each.name] = found[each.name] or _written(folder, base, setup, each, rows[each.name])
    if "videos" in found and not found["videos"]:
        shown = [video for video in setup.videos if video.key in _first(rows, setup.shown)]
        batch = setup.batch * jax.local_device_count()
        films = showing.Films(look, folder, shown, setup.basis, batch, rows.get("pca", []))
        base = dataclasses.replace(base, protocol=fields)
        found["videos"] = films.write(dataclasses.replace(base, settings=showing_settings))
    return list(found.values())


def protocol_of(used: Protocol, rows: Sequence[Row] = ()) -> dict[str, Any]:
    """The protocol of a finding: what decides clips and latents, and what was found of ``rows``."""
    known = results.filled(used, rows)
    return json.loads(json.dumps({name: known[name] for name in FIELDS + FOUND * bool(rows)}))


class _Several:
    """The rows of several analyses, to be made together; as evaluation/rows.Folder."""

    def __init__(self, folder: Any, analyses: Sequence[Any], used: Protocol, model: str):
        self.analyses, self.folders = analyses, {}
        for each in analyses:
            made = results.made(used, {}) | {"model": model, "settings": each.settings}
            made = json.loads(json.dumps(made))
            version = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
            self.folders[each.name] = Folder(folder / "rows" / f"{each.name}-{version[:8]}")
            self.folders[each.name].open(made)

    def has(self, key: str, file: str = "") -> bool:
        """Whether all analyses have the row of a video."""
        return all(folder.has(key, file) for folder in self.folders.values())

    def write(self, row: Row) -> None:
        """Keeps a row of a video that cannot be used, where there is none; others are kept."""
        for folder in self.folders.values():
            if row.reason and not folder.has(row.key, row.file):
                folder.write(row)

    def read(self, keys: Iterable[str]) -> list[Row]:
        """One for each video: that of an analysis that could not use it, if there is one."""
        keys, found = list(keys), {}
        for folder in self.folders.values():
            for row in folder.read(keys):
                if row.reason or row.key not in found:
                    found[row.key] = row
        return list(found.values())

    def make(self, look: Look) -> list[Row]:
        """Makes and keeps what is missing of a batch."""
        for i, video in enumerate(look.videos):
            for each in self.analyses:
                folder = self.folders[each.name]
                if not folder.has(video.key, video.file()):
                    known = {"digest": judging.digest(look.clips[i]), "file": video.file()}
                    folder.write(dataclasses.replace(each.row(look, i), **known))
        return [Row(video.key, video.source) for video in look.videos]


def _measured(setup: Setup, several: _Several, look, label: str) -> dict[str, list[Row]]:
    """The rows of each analysis; those of videos that cannot be used among them.

    Without an analysis of rows, the videos alone: those that can be read.
    """
    if not several.folders:
        return {"": [Row(video.key, video.source) for video in setup.videos[: setup.used.videos]]}

    def rows_of(batch: Sequence[Video], clips: np.ndarray) -> list[Row]:
        return several.make(look(videos=batch, clips=clips))

    made = measuring.measure(
        name=f"{label}: {', '.join(several.folders)}",
        videos=setup.videos,
        count=setup.used.videos,
        folder=several,
        rows_of=rows_of,
        batch=setup.batch * jax.local_device_count(),
        replace=True,
        spent=Spent(),
    )
    bad = [row for row in made if row.reason]
    keys = [row.key for row in made if not row.reason]
    return {name: folder.read(keys) + bad for name, folder in several.folders.items()}


def _first(rows: Mapping[str, Sequence[Row]], count: int) -> set[str]:
    """The keys of the first videos that can be used."""
    usable = [row.key for row in next(iter(rows.values())) if not row.reason]
    return set(usable[:count])


def _written(
    folder: Any, base: Finding, setup: Setup, analysis: Any, rows: Sequence[Row]
) -> Finding:
    good = [row for row in rows if not row.reason]
    figures, values, notes = analysis.summary(good)
    if analysis.name == "prediction" and not base.model["training"]:
        notes = [*notes, "nothing is known of its training: its padding may never have had any."]
    made = dataclasses.replace(
        base,
        name=analysis.name,
        protocol=protocol_of(setup.used, good) | setup.available,
        settings=analysis.settings,
        figures=figures,
        values=values,
        refused={row.key: row.reason for row in rows if row.reason},
        notes=notes,
    )
    return finding.write(folder, made)
