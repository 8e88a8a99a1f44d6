"""Results as they lie in folders: that of one, and the last of a run's samples.

OUT/LABEL/results.json                  of launch.evaluate
RUN/evaluation/STAGE-STEP/results.json  of a generator's samples, at each interval

The last is that of the latest date: the names of stages are not in the order of their training.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pv_vae_jax.core import json_files, storage

RESULT = "results.json"
EVALUATION = "evaluation"  # folder of a run

Result = Mapping[str, Any]


def read(folder: Any) -> Result:
    """The result in a folder.

    Raises:
      FileNotFoundError: there is none (yet).
      ValueError: it is damaged, or of another door.
    """
    path = storage.path(folder) / RESULT
    if not storage.exists(path):
        raise FileNotFoundError(
            f"there is no {path}: name a folder that launch.evaluate wrote (--out, or a model's "
            "folder in it) to its end."
        )
    found = json_files.read(path)
    if not is_result(found):
        raise ValueError(f"{path} is no result of launch.evaluate: it has no protocol.")
    return found


def is_result(found: Any) -> bool:
    """Whether JSON values are a result of launch.evaluate, and not of another door."""
    return isinstance(found, Mapping) and "protocol" in found


def beside(out: Any, labels: Collection[str]) -> list[Result]:
    """Results in the folder ``out`` of others than ``labels``, by name, and of no other door.

    Raises:
      ValueError: one is damaged.
    """
    folders = sorted(each for each in storage.path(out).iterdir() if each.name not in labels)
    there = (folder / RESULT for folder in folders if storage.exists(folder / RESULT))
    return [found for found in map(json_files.read, there) if is_result(found)]


def of_run(run: Any) -> list[tuple[str, Result]]:
    """Folder and result of each time that a run's samples were measured, in this order.

    Raises:
      ValueError: a result is damaged.
    """
    names = storage.files_under(storage.path(run) / EVALUATION)
    folders = [name.rpartition("/")[0] for name in names if name.endswith(f"/{RESULT}")]
    found = ((folder, read(folder)) for folder in folders)
    return sorted(found, key=lambda each: each[1].get("date", ""))


def last(run: Any) -> tuple[str, Result] | None:
    """The last of :func:`of_run`; None where there is none."""
    return next(reversed(of_run(run)), None)
