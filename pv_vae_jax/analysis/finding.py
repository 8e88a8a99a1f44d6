"""What an analysis found of a model: figures, values and media, written whole and not made twice.

    OUT/LABEL/model.json           which model the folder is of; another one is refused
    OUT/LABEL/NAME/finding.json    of the analysis NAME, its last file to be written
    OUT/LABEL/...                  its media; their paths in a finding are relative to OUT/LABEL

    kept  <=>  model, protocol and settings are equal, and all media are there              (1)

A figure tells its own title, digits and direction, so that tables and pages need know no analysis.
"""

import dataclasses
import datetime
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.core import json_files, storage, trees
from pv_vae_jax.metrics import intervals
from pv_vae_jax.models import identity
from pv_vae_jax.models.video_vae import VideoVAE

FINDING, MODEL = "finding.json", "model.json"
BETTER = ("more", "less", "")


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number for tables.

    Attributes:
      title: head of its column.
      value: the number.
      low: lower end of its 95% interval, None if it has none.
      high: upper end.
      better: "more", "less", or "" where neither is.
      digits: after the point.
      method: how the interval was made, or why there is none.
    """

    title: str
    value: float
    low: float | None = None
    high: float | None = None
    better: str = ""
    digits: int = 3
    method: str = ""

    def __post_init__(self):
        if self.better not in BETTER:
            raise ValueError(f"better is one of {BETTER}, got {self.better!r}.")

    @classmethod
    def over_sources(
        cls,
        title: str,
        statistic: Callable[..., float],
        columns: Sequence[np.ndarray],
        sources: Sequence[str],
        better: str = "",
        digits: int = 3,
        smooth: bool = True,
    ) -> "Figure":
        """A statistic of rows with its interval over source videos (metrics/intervals.py).

        Args:
          title: head of its column.
          statistic: of the columns, to a float.
          columns: arrays of one first axis, a row for each video.
          sources: the source of each row.
          better: as above.
          digits: as above.
          smooth: jackknife; False for what is not smooth, a median: subsampling.
        """
        least = 2 if smooth else 3
        value = float(statistic(*columns))
        if len(set(sources)) < least:
            why = f"no interval: {len(set(sources))} source videos, {least} are wanted"
            return cls(title, value, None, None, better, digits, why)
        if smooth:
            found = intervals.jackknife(statistic, columns, sources)
        else:
            found = intervals.subsampling(statistic, columns, sources, 0, extrapolate=False)
        return cls(title, found.value, found.low, found.high, better, digits, found.method)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one analysis found of one model.

    Attributes:
      name: of the analysis, and of its folder.
      model: label, name, spec, parameters, trained, sha256 ..., and ``digest`` (:func:`digest`).
      protocol: fields of evaluation/protocol.py with what was found there, or a data set's own.
      settings: of the analysis, all that its numbers depend on.
      figures: numbers for tables, by name, in the order of their columns.
      values: everything else, JSON values by name: curves, histograms.
      media: paths relative to OUT/LABEL, by name; or by key of a video, then by name.
      refused: videos that could not be used, key to reason.
      notes: what a reader must know, sentences.
      command: that made it.
      date: UTC, ISO 8601; filled in by :func:`write`.
    """

    name: str
    model: Mapping[str, Any]
    protocol: Mapping[str, Any]
    settings: Mapping[str, Any]
    figures: Mapping[str, Figure]
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    media: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()
    command: str = ""
    date: str = ""


def digest(vae: VideoVAE) -> str:
    """sha256 of all that a model is: its identity (models/identity.py) and all its parameters."""
    text = json.dumps(
        [identity.identity(vae), vae.config, trees.digest(vae.params)], sort_keys=True
    )
    return trees.digest({"text": np.frombuffer(text.encode(), np.uint8)})


def described(vae: VideoVAE, about: Mapping[str, Any]) -> dict[str, Any]:
    """``Finding.model``: what is said of a model, its identity, its digest, how far it came."""
    training = {
        name: value for name, value in about.get("training", {}).items() if name != "config"
    }
    known = {"identity": identity.identity(vae), "digest": digest(vae)}
    return json.loads(json.dumps({**about, "training": training, **known}))


def open_folder(folder: Any, about: Mapping[str, Any]) -> Any:
    """Makes OUT/LABEL for a model, or goes on in it.

    Args:
      folder: a path or a URL.
      about: the model, as ``Finding.model``.

    Raises:
      ValueError: it is of another model.
    """
    folder = storage.path(folder)
    path = folder / MODEL
    if storage.exists(path):
        found = json_files.read(path)
        if found["digest"] != about["digest"]:
            raise ValueError(
                f"{folder} holds findings of another model ({found['name']}, version "
                f"{found['digest'][:12]}, not {about['digest'][:12]}): choose another --out."
            )
        return folder
    storage.make_folder(folder)
    storage.write(path, json.dumps(dict(about), indent=1) + "\n")
    return folder


def write(folder: Any, finding: Finding) -> Finding:
    """Writes a finding into OUT/LABEL, after its media; as :func:`read` gives it back.

    Raises:
      ValueError: a number is not finite, or a medium is missing.
    """
    folder = storage.path(folder)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    finding = dataclasses.replace(finding, date=now)
    if missing := [name for name in media_of(finding) if not storage.exists(folder / name)]:
        raise ValueError(f"the finding {finding.name} names {missing[0]}, which is not there.")
    try:
        text = json.dumps(dataclasses.asdict(finding), indent=1, allow_nan=False)
    except ValueError as error:
        raise ValueError(
            f"a number of the finding {finding.name} of {finding.model['label']} is not finite."
        ) from error
    storage.write(folder / finding.name / FINDING, text + "\n")
    return read(folder, finding.name)


def read(folder: Any, name: str) -> Finding:
    """The finding of an analysis in OUT/LABEL.

    Raises:
      FileNotFoundError: there is none.
      ValueError: the file is damaged.
    """
    path = storage.path(folder) / name / FINDING
    if not storage.exists(path):
        raise FileNotFoundError(
            f"there is no {path}: make it by python -m launch.analyse --only {name} ..."
        )
    found = json_files.read(path)
    try:
        figures = {key: Figure(**value) for key, value in found.pop("figures").items()}
        return Finding(figures=figures, **found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}): remove it and analyse again.") from error


def beside(out: Any, labels: Collection[str]) -> list[Finding]:
    """Findings in the folder ``out`` of other models than ``labels``, by name.

    Raises:
      ValueError: one is damaged.
    """
    there = storage.path(out).iterdir() if storage.is_folder(out) else ()
    models = sorted(each for each in there if each.name not in labels)
    kinds = [kind for model in models if storage.is_folder(model) for kind in model.iterdir()]
    return [read(kind.parent, kind.name) for kind in kinds if storage.exists(kind / FINDING)]


def kept(
    folder: Any,
    name: str,
    model: Mapping[str, Any],
    protocol: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Finding | None:
    """Equation (1): the finding if there is one, else None.

    Args:
      folder: OUT/LABEL.
      name: of the analysis.
      model: with its ``digest``.
      protocol: its fields; what a finding adds to them is not compared.
      settings: of the analysis.
    """
    if not storage.exists(storage.path(folder) / name / FINDING):
        return None
    found = read(folder, name)
    wanted = json.loads(json.dumps([dict(protocol), dict(settings)]))
    same = (
        found.model["digest"] == model["digest"]
        and {field: found.protocol.get(field) for field in wanted[0]} == wanted[0]
        and found.settings == wanted[1]
    )
    there = all(storage.exists(storage.path(folder) / each) for each in media_of(found))
    return found if same and there else None


def media_of(finding: Finding) -> list[str]:
    """All paths of its media."""
    found = []
    for value in finding.media.values():
        found += [value] if isinstance(value, str) else list(value.values())
    return found
