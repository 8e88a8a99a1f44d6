"""Runs the steps of a study that are missing, several at once, each on cores of its own.

    ready = not done, and all that it needs is done;    the first that is ready goes next    (1)

A step is a process of its door.  It is done when ``done.json`` is in its folder, written after the
process ended well: a killed study loses what the door itself loses (the updates since its last
checkpoint), and the same command goes on.  A step that fails is named with the end of its log, the
cells that need it are given up, all others go on.  A process holds the lock of its step's folder as
long as it lives: where another study, or what one left behind, makes a step, it is waited for.
"""

import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from pv_vae_jax.core import json_files, locks, storage
from pv_vae_jax.study.plan import Study
from pv_vae_jax.study.step import Step

DONE, LOG, SPENT, LOCK = "done.json", "log.txt", "seconds.txt", "lock"
POLL = 0.2  # seconds


def done(root: pathlib.Path, step: Step) -> dict[str, Any] | None:
    """What was written when the step ended, None if it did not."""
    path = root / step.folder / DONE
    return json_files.read(path) if path.exists() else None


def steps_of(study: Study) -> list[Step]:
    """All steps, each once, in the order in which they should run."""
    return list(dict.fromkeys(step for cell in study.cells for step in cell.ordered()))


def cores_of(jobs: int) -> list[list[int]]:
    """The cores of this process in ``jobs`` shares; empty shares where the system has no say.

    Raises:
      ValueError: fewer than one job.
    """
    if jobs < 1:
        raise ValueError(f"--jobs is at least 1, got {jobs}.")
    if not hasattr(os, "sched_getaffinity"):
        return [[] for _ in range(jobs)]
    cores = sorted(os.sched_getaffinity(0))
    return [cores[n::jobs] for n in range(jobs)] if jobs <= len(cores) else [[]] * jobs


def locked(root: pathlib.Path, step: Step) -> int | None:
    """The lock of a step's folder as an open file; None where another process has it."""
    return locks.taken(root / step.folder / LOCK)


class Running:
    """One process of a step.  Both have its lock: it until it ends, this until that is noted."""

    def __init__(self, root: pathlib.Path, step: Step, cores: list[int], lock: int):
        self.step, self.cores, self._lock = step, cores, lock
        self._folder = root / step.folder
        self._typed = step.typed(str(root))
        with (self._folder / LOG).open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *step.command(str(root))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the study: it stops its steps in order
                pass_fds=(lock,),
            )
        # Before it starts threads, which inherit them; no code of ours between fork and exec.
        if cores:
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                os.sched_setaffinity(self._process.pid, cores)
        self._begin = time.perf_counter()

    def ended(self) -> int | None:
        """The exit code, None while it runs; a good end is written down.

        A door that was asked to stop ends well without what the step makes: that is no end.
        """
        code = self._process.poll()
        if code == 0 and not (self._folder / self.step.makes).exists():
            code = 1
        if code == 0:
            told = {
                "kind": self.step.kind,
                "command": self._typed,
                "about": dict(self.step.about),
                "seconds": round(self._seconds(), 1),
                "cores": len(self.cores),
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            }
            storage.write(self._folder / DONE, json.dumps(told, indent=1) + "\n")
        if code is not None:
            os.close(self._lock)
        return code

    def ask_to_stop(self) -> None:
        """Asks it to save and stop."""
        self._process.terminate()

    def stop(self) -> None:
        """Waits until it has stopped."""
        self._process.wait()
        storage.write(self._folder / SPENT, f"{self._seconds()}\n")
        os.close(self._lock)

    def _seconds(self) -> float:
        """Of this start and of those before it that were stopped."""
        before = self._folder / SPENT
        earlier = float(before.read_text()) if before.exists() else 0.0
        return earlier + time.perf_counter() - self._begin

    def end_of_log(self) -> str:
        """Its last lines, one of which says why."""
        text = (self._folder / LOG).read_text(errors="replace").replace("\r", "\n")
        lines = [line for line in text.splitlines() if line.strip()]
        return "\n".join(f"    {line}" for line in lines[-8:])


def run(
    study: Study,
    root: pathlib.Path,
    shares: Sequence[list[int]],
    ended: Callable[[Step], None],
    failed: Callable[[Step, str], None],
    tick: Callable[[list[Step]], None],
) -> list[Step]:
    """Runs what is missing; returns the steps that failed.

    Args:
      study: what to run.
      root: folder of the steps.
      shares: the cores of each job (:func:`cores_of`).
      ended: is told each step that has just been done.
      failed: is told each step that failed, with the end of its log.
      tick: is told what runs, often.
    """
    finished = {step for step in steps_of(study) if done(root, step) is not None}
    left = [step for step in steps_of(study) if step not in finished]
    running: dict[int, Running] = {}
    lost: list[Step] = []
    try:
        while left or running:
            ready = _ready(left, finished)
            for job, cores in enumerate(shares):
                if job in running or (found := _first_free(root, ready)) is None:
                    continue
                step, lock = found
                left.remove(step)
                if done(root, step) is None:
                    running[job] = Running(root, step, list(cores), lock)
                else:  # another process has made it
                    os.close(lock)
                    finished.add(step)
                    ended(step)
            if not running and not _ready(left, finished):
                break  # what is left needs what failed
            tick([each.step for each in running.values()])
            time.sleep(POLL)
            for job, each in list(running.items()):
                code = each.ended()
                if code is None:
                    continue
                del running[job]
                if code == 0:
                    finished.add(each.step)
                    ended(each.step)
                else:
                    lost.append(each.step)
                    failed(each.step, each.end_of_log())
    finally:
        for each in running.values():
            each.ask_to_stop()
        for each in running.values():
            each.stop()
    return lost


def _ready(left: list[Step], finished: set[Step]) -> list[Step]:
    """Those that equation (1) is about."""
    return [step for step in left if finished.issuperset(step.needs)]


def _first_free(root: pathlib.Path, ready: list[Step]) -> tuple[Step, int] | None:
    """The first that no other process makes, taken from the list, and its lock."""
    for step in ready:
        if (lock := locked(root, step)) is not None:
            ready.remove(step)
            return step, lock
    return None
