"""A finished cell as one file: its figures, what made them, and its model.

    RESULTS/VARIANT/SEED.json      figures, steps with commands and times, device, versions
    RESULTS/VARIANT/SEED.npz       what the study exports of it, if anything

Commands stand there as they would be typed, with STUDY for the folder of the steps.
"""

import datetime
import json
import os
import pathlib
import platform
import shutil
from collections.abc import Sequence
from typing import Any

from pv_vae_jax.core import arrays, json_files, storage
from pv_vae_jax.evaluation import protocol
from pv_vae_jax.study import running
from pv_vae_jax.study.plan import Cell, Measure, Study
from pv_vae_jax.study.step import Step
from pv_vae_jax.training import workdir


def collect(study: Study, cell: Cell, root: pathlib.Path) -> dict[str, Any]:
    """What is known of a finished cell, as JSON values.

    Raises:
      ValueError: a step did not write a figure where the study says that it stands.
    """
    steps = [(step, running.done(root, step)) for step in cell.ordered()]
    return {
        "family": study.family,
        "variant": cell.variant,
        "seed": cell.seed,
        "figures": {name: _read(measure, cell, root) for name, measure in study.measures.items()},
        "steps": [
            {
                "kind": step.kind,
                "folder": step.folder,
                "command": step.typed("STUDY"),
                **{key: told[key] for key in ("about", "seconds", "cores", "date")},
            }
            for step, told in steps
        ],
        "seconds": round(sum(told["seconds"] for _, told in steps), 1),
        "device": _device(root, [step for step, _ in steps]),
        "cpu": _cpu(),
        "versions": protocol.versions() | {"python": platform.python_version()},
        "commit": workdir.commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _read(measure: Measure, cell: Cell, root: pathlib.Path) -> float | None:
    """The figure; None where the cell has no such step."""
    step = cell.step(measure.kind)
    if step is None:
        return None
    path = root / step.folder / measure.file
    try:
        found: Any = json_files.read(path)
        for key in measure.path:
            found = found[key]
        return float(found)
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} does not hold {'/'.join(measure.path)} for {cell.name}: {error}."
        ) from error


def _device(root: pathlib.Path, steps: Sequence[Step]) -> str:
    """What the first training that tells it ran on; this process leaves the devices to others."""
    for step in steps:
        starts = root / step.folder / "run" / "runs.jsonl"
        if starts.exists():
            told = json_files.lines(starts)[-1]
            kind = told.get("device_kind", told["devices"][0])
            return f"{len(told['devices'])} x {kind}"
    return ""


def _cpu() -> str:
    """Model of the processor, where the system tells, and how many cores there are."""
    name = platform.processor() or platform.machine()
    listed = pathlib.Path("/proc/cpuinfo")
    if listed.exists():
        lines = [line for line in listed.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return f"{os.cpu_count()} cores, {name}"


def place(cell: Cell, out: pathlib.Path) -> pathlib.Path:
    """The file of a cell's result."""
    return out / cell.variant / f"{cell.seed}.json"


def kept(study: Study, cell: Cell, root: pathlib.Path, out: pathlib.Path) -> bool:
    """Whether ``out`` has the result of the same steps, made here or elsewhere.

    One that lacks figures of the study counts only where they cannot be read off its steps.
    """
    result = _result(cell, out)
    if result is None or not _of_its_steps(cell, result):
        return False
    whole = study.measures.keys() <= result["figures"].keys()
    return whole or any(running.done(root, step) is None for step in cell.ordered())


def _result(cell: Cell, out: pathlib.Path) -> dict[str, Any] | None:
    """What the file of a cell says, None if there is none."""
    path = place(cell, out)
    return json_files.read(path) if path.exists() else None


def _of_its_steps(cell: Cell, result: dict[str, Any]) -> bool:
    return [step["folder"] for step in result["steps"]] == [s.folder for s in cell.ordered()]


def write(study: Study, cell: Cell, root: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """Writes the file of a finished cell and copies its export; returns the file."""
    path = place(cell, out)
    storage.make_folder(path.parent)
    for kind, file in study.exports.items():
        if (step := cell.step(kind)) is not None:
            source = root / step.folder / file
            _keep(source, path.with_suffix(source.suffix), root)
    storage.write(path, json.dumps(collect(study, cell, root), indent=1) + "\n")
    return path


def _keep(source: pathlib.Path, target: pathlib.Path, root: pathlib.Path) -> None:
    """Copies an export; folders of steps that a model tells of begin with STUDY, as above."""
    if source.suffix not in arrays.SUFFIXES:
        shutil.copyfile(source, target)
        return
    text = arrays.read_text(source)
    told = text and text.replace(f'"{root}/', '"STUDY/')
    arrays.write(target, arrays.read(source), told)


def read(study: Study, out: pathlib.Path) -> dict[str, dict[int, dict[str, Any]]]:
    """Results of the study's cells that there are: variant, then seed; not of other steps.

    Raises:
      ValueError: a file of another family of studies.
    """
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for cell in study.cells:
        path, result = place(cell, out), _result(cell, out)
        if result is None:
            continue
        if (result["family"], result["variant"]) != (study.family, cell.variant):
            raise ValueError(
                f"{path} is of {result['family']}, variant {result['variant']}, not of "
                f"{study.family}: use another --out."
            )
        if _of_its_steps(cell, result):
            found.setdefault(cell.variant, {})[cell.seed] = result
    return found


def outdated(study: Study, out: pathlib.Path) -> list[str]:
    """The cells whose files are of other steps: a config or a row has changed since."""
    there = ((cell, _result(cell, out)) for cell in study.cells)
    return [cell.name for cell, found in there if found and not _of_its_steps(cell, found)]


def incomplete(study: Study, out: pathlib.Path) -> dict[str, list[str]]:
    """Of cells that count as done the figures that they lack, by cell; see :func:`kept`."""
    lacking = {}
    for cell in study.cells:
        result = _result(cell, out)
        if result and _of_its_steps(cell, result):
            lacking[cell.name] = [
                measure.told for name, measure in study.measures.items()
                if cell.step(measure.kind) is not None and name not in result["figures"]
            ]  # fmt: skip
    return {name: told for name, told in lacking.items() if told}


def values(
    found: dict[str, dict[int, dict[str, Any]]], variant: str, name: str, seeds: Sequence[int]
) -> list[float]:
    """A figure of a variant for some seeds."""
    return [found[variant][seed]["figures"][name] for seed in seeds]
