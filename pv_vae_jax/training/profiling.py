"""A trace of some updates, for XProf: ``config.profile = "START:STOP"``.

Updates START + 1 to STOP of the run, all stages counted through, are written to ``workdir/profile``
(docs/observability.md).  The first update compiles, so START is at least a few.
"""

import pathlib
import re
import tempfile

import jax
import jax.numpy as jnp

from pv_vae_jax.core import storage


def steps(text: str) -> tuple[int, int] | None:
    """(START, STOP), or None for "".

    Raises:
      ValueError: it is neither "" nor two whole numbers, the second larger.
    """
    if not text:
        return None
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if not match or int(match[1]) >= int(match[2]):
        raise ValueError(
            f'config.profile is "START:STOP", updates of the run with START < STOP, such as '
            f'"20:25", or "" for none; got {text!r}.'
        )
    return int(match[1]), int(match[2])


class Profile:
    """Begins and ends the trace as the updates go by."""

    def __init__(self, text: str, workdir: storage.Where):
        """``text``: see :func:`steps`."""
        self._steps, self._folder = steps(text), storage.path(workdir) / "profile"
        self._scratch: tempfile.TemporaryDirectory | None = None
        self._running = False

    def before(self, update: int) -> None:
        """Called before update ``update`` (from 0) of the run."""
        if self._steps and update == self._steps[0]:
            if storage.is_url(self._folder):
                self._scratch = tempfile.TemporaryDirectory()
            jax.profiler.start_trace(self._scratch.name if self._scratch else str(self._folder))
            self._running = True
        elif self._steps and update == self._steps[1]:
            self.close()

    def close(self) -> None:
        """Ends the trace, if it runs; it then stands in the folder."""
        if not self._running:
            return
        _wait_for_devices()
        jax.profiler.stop_trace()
        self._running = False
        if self._scratch:
            for file in sorted(pathlib.Path(self._scratch.name).rglob("*")):
                if file.is_file():
                    name = file.relative_to(self._scratch.name).as_posix()
                    storage.put(file, self._folder / name)
            self._scratch.cleanup()
            self._scratch = None


def _wait_for_devices() -> None:
    """Devices run what they are given in order: when this is done, so are the updates before it."""
    jax.block_until_ready([jnp.add(jax.device_put(0, one), 1) for one in jax.local_devices()])
