"""What a report is made of, found in folders: findings, results, runs, correlations.

    .../LABEL/NAME/finding.json     of launch.analyse (finding.py)
    .../results.json                of launch.evaluate, with protocol and figures
    .../metrics.jsonl               a run; of the results of its samples the last counts
    .../correlation.json            of launch.analyse correlation

A folder may hold any of them, at any depth.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pv_vae_jax.analysis import finding
from pv_vae_jax.core import json_files, storage
from pv_vae_jax.evaluation import curves, result_files

METRICS, CORRELATION, STARTS = "metrics.jsonl", "correlation.json", "runs.jsonl"


@dataclasses.dataclass(frozen=True)
class Source:
    """A finding, a result or a correlation, and where it is from.

    Attributes:
      made: a Finding, or JSON values.
      path: of its JSON file.
      label: of the model or the generator.
      folder: that paths of media are relative to.
    """

    made: Any
    path: str
    label: str
    folder: str = ""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of training.

    Attributes:
      folder: of the run.
      history: of its values.
      starts: (command, date) of its last start; empty where that was not kept.
    """

    folder: str
    history: curves.History
    starts: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Sources:
    """All that was found, in the order of the folders."""

    findings: Sequence[Source]
    results: Sequence[Source]
    runs: Sequence[Run]
    correlations: Sequence[Source]


def read(folders: Sequence[Any]) -> Sources:
    """What there is in folders, each file once.

    Raises:
      FileNotFoundError: a folder is not there.
      ValueError: a folder has nothing for a report, or a file is damaged.
    """
    found: Mapping[str, list[Any]] = {field.name: [] for field in dataclasses.fields(Sources)}
    seen: set[str] = set()
    for folder in folders:
        if not storage.is_folder(folder):
            raise FileNotFoundError(f"there is no folder {folder}.")
        names = list(storage.files_under(storage.path(folder)))
        before = sum(map(len, found.values()))
        runs = [_parts(name)[0] for name in names if _parts(name)[1] == METRICS]
        for run in runs:
            if run not in seen:
                seen.add(run)
                found["runs"].append(Run(run, curves.read(run), _starts(run)))
                found["results"] += _last(run)
        measured = [f"{run}/{result_files.EVALUATION}" for run in runs]  # read by _last
        for name in names:
            if name in seen or _inside(name, measured):
                continue
            kind, source = _source(name)
            if source is not None:
                seen.add(name)
                found[kind].append(source)
        if sum(map(len, found.values())) == before and not _known(names, runs, seen):
            raise ValueError(
                f"{folder} has nothing for a report: name folders of launch.analyse, of "
                "launch.evaluate, or of runs."
            )
    return Sources(**found)


def _parts(name: str) -> tuple[str, str]:
    folder, _, file = name.rpartition("/")
    return folder or ".", file


def _inside(name: str, folders: Sequence[str]) -> bool:
    return any(name.startswith(f"{folder}/") for folder in folders)


def _known(names: Sequence[str], runs: Sequence[str], seen: set[str]) -> bool:
    return bool(runs) or any(name in seen for name in names)


def _source(name: str) -> tuple[str, Source | None]:
    folder, file = _parts(name)
    if file == finding.FINDING:
        owner, kind = _parts(folder)
        made = finding.read(owner, kind)
        return "findings", Source(made, name, made.model["label"], owner)
    if file == result_files.RESULT:
        made = json_files.read(name)
        if result_files.is_result(made):
            return "results", Source(made, name, made["model"]["label"], folder)
    if file == CORRELATION:
        return "correlations", Source(json_files.read(name), name, _parts(folder)[1])
    return "", None


def _last(run: str) -> list[Source]:
    """The last result of a run's samples, under the name of the run; empty if there is none."""
    found = result_files.last(run)
    if found is None:
        return []
    folder, made = found
    return [Source(made, f"{folder}/{result_files.RESULT}", _parts(run)[1], folder)]


def _starts(run: str) -> tuple[tuple[str, str], ...]:
    path = storage.path(run) / STARTS
    if not storage.exists(path):
        return ()
    if not (starts := json_files.lines(path)):
        return ()
    last = starts[-1]
    door, *arguments = last["command"]
    door = f"launch.{door.removesuffix('.py')}" if door.endswith(".py") else door
    return ((shlex.join(["python", "-m", door, *arguments]), last["date"]),)
