"""A run is a folder: its config, the versions it ran with, its checkpoints, metrics and pictures.

    workdir/config.json          the resolved config; a run with another identity is refused
    workdir/runs.jsonl           a line a start: date, command, commit, versions, what changed
    workdir/checkpoints/STAGE/   checkpoint/manager.py
    workdir/classes.json         names of labels by number, for each kind of source that has some
    workdir/latents.json         of a generator: which latents it learns (models/generator.py)
    workdir/metrics.jsonl, tensorboard/, pictures/
    workdir/lock                 held by the process that trains (not in a store): no other does

``profile``, keys under ``runtime`` and ``sampling`` and every ``stages.NAME.steps`` may change
between starts, and the change is logged; all others are the run's identity.
"""

import contextlib
import datetime
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys
from typing import Any

import jax

from pv_vae_jax.core import json_files, locks, storage, store_errors, trees
from pv_vae_jax.models import identity
from pv_vae_jax.models.generator import LatentForm
from pv_vae_jax.sharding import agreement

LOCK = "lock"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "av")


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Flat, as JSON gives it back (tuples become lists)."""
    return trees.flatten(json.loads(json.dumps(config)))


def _began(workdir: Any) -> bool:
    """Whether anything of a run is told or kept: before that its config may be put right."""
    told = workdir / "metrics.jsonl"
    if storage.exists(told) and storage.stat(told)[0]:
        return True
    folder = workdir / "checkpoints"
    if not storage.is_folder(folder):
        return False
    return any(step.name.isdigit() for stage in folder.iterdir() for step in stage.iterdir())


def _is_runtime(path: str) -> bool:
    parts = path.split("/")
    first, last = parts[0], parts[-1]
    return first in ("runtime", "sampling", "profile") or (first, last) == ("stages", "steps")


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    old, new = _plain(old), _plain(new)
    missing = "(not there)"
    paths = sorted(set(old) | set(new))
    pairs = {path: (old.get(path, missing), new.get(path, missing)) for path in paths}
    return {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}


def commit() -> str:
    """Of this code, "unknown" outside a clone; "-dirty" at its end where files were changed."""
    here = pathlib.Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


def lock(workdir: storage.Where) -> None:
    """Keeps the folder to this run until its processes end; all of them call it together.

    In a store there are no locks: two runs there are not kept apart.

    Raises:
      ValueError: another process trains in it.
    """
    ours = True
    if jax.process_index() == 0 and not storage.is_url(workdir):
        with contextlib.suppress(OSError):  # which open_workdir tells
            ours = locks.taken(pathlib.Path(workdir, LOCK)) is not None
    if not agreement.told([ours]).all():
        raise ValueError(
            f"another process trains in {workdir}: wait until it has ended, or take another "
            "--workdir."
        )


def read_config(workdir: storage.Where) -> dict[str, Any]:
    """The config of a run.

    Raises:
      FileNotFoundError: the folder is not a run's.
    """
    path = storage.path(workdir) / "config.json"
    if not storage.exists(path):
        raise FileNotFoundError(f"{workdir} is not the folder of a run: it has no config.json.")
    return json_files.read(path)


def open_workdir(workdir: storage.Where, config: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Makes the folder, or checks that it belongs to the same run.

    Args:
      workdir: folder, a path or a URL.
      config: resolved, as plain dicts.

    Returns:
      The runtime keys that changed since the last start: path to (before, now).

    Raises:
      ValueError: an identity key changed.
      OSError: the folder cannot be made or written.
    """
    changes: dict[str, tuple[Any, Any]] = {}
    try:
        workdir = storage.path(workdir)
        storage.make_folder(workdir)
        if storage.exists(workdir / "config.json"):
            changes = _changes(read_config(workdir), config)
            refused = {path: pair for path, pair in changes.items() if not _is_runtime(path)}
            if refused and _began(workdir):
                what = "; ".join(
                    f"config.{path.replace('/', '.')} was {old!r} and is now {new!r}"
                    for path, (old, new) in refused.items()
                )
                raise ValueError(
                    f"{workdir} holds a run of another config: {what}. Use another --workdir, or "
                    "the values of that run."
                )
        if jax.process_index() == 0:
            storage.write(workdir / "config.json", json.dumps(config, indent=1))
            start = {
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
                "commit": commit(),
                "python": platform.python_version(),
                "devices": [str(device) for device in jax.devices()],
                "device_kind": jax.devices()[0].device_kind,
                "processes": jax.process_count(),
                "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
                "changed": changes,
            }
            storage.add(workdir / "runs.jsonl", json.dumps(start) + "\n")
    except store_errors.StoreError as error:
        raise type(error)(f"--workdir: {error}") from error
    except OSError as error:
        raise type(error)(f"--workdir {workdir} cannot be written: {error.strerror}.") from error
    return changes


def read_latents(workdir: storage.Where) -> LatentForm | None:
    """Which latents a generator's run learns; None before its first start."""
    path = storage.path(workdir) / "latents.json"
    return LatentForm.from_dict(json_files.read(path)) if storage.exists(path) else None


def open_latents(workdir: storage.Where, latents: LatentForm) -> None:
    """Keeps which latents a run learns, or checks that they are still those.

    Raises:
      ValueError: they are others; the message says in what.
    """
    known = read_latents(workdir)
    if known is not None and _began(storage.path(workdir)):
        what = f"the latents of the run in {workdir}"
        identity.check(latents.identity, known.identity, what)
        if known.shape != latents.shape:
            raise ValueError(f"{what} are {known.shape}, those of the config {latents.shape}.")
    elif jax.process_index() == 0:
        storage.write(
            storage.path(workdir) / "latents.json", json.dumps(latents.as_dict(), indent=1)
        )


def read_classes(workdir: storage.Where) -> tuple[str, ...]:
    """The names of labels, if all sources of the run have the same; else none."""
    path = storage.path(workdir) / "classes.json"
    known = json_files.read(path).values() if storage.exists(path) else ()
    return tuple(next(iter(known))) if len(set(map(tuple, known))) == 1 else ()


def keep_classes(workdir: storage.Where, classes: dict[str, tuple[str, ...]]) -> list[str]:
    """Adds the names of labels to ``classes.json``.

    Returns:
      A line for a person for each kind of source whose names are new or have changed.
    """
    path = storage.path(workdir) / "classes.json"
    known = json_files.read(path) if storage.exists(path) else {}
    new = {kind: list(names) for kind, names in classes.items() if known.get(kind) != list(names)}
    if new:
        storage.write(path, json.dumps(known | new, indent=1))
    return [
        f"labels of {kind} {'have changed' if kind in known else 'are'}: 0 {names[0]} ... "
        f"{len(names) - 1} {names[-1]}; all are in {path}."
        for kind, names in new.items()
    ]
