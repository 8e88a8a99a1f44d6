"""TensorBoard's event files at a URL: kept here, and written whole when they are flushed.

tensorboardX writes to paths of this machine; what is registered here serves every scheme of
core/storage.py alike.  It flushes by itself every two minutes, and at the end.
"""

import io

from tensorboardX import record_writer

from pv_vae_jax.core import storage


class _Events:
    """One event file."""

    def __init__(self, where: str):
        self._where, self._bytes, self._written = where, io.BytesIO(), 0

    def write(self, data: bytes) -> None:
        self._bytes.write(data)

    def flush(self) -> None:
        content = self._bytes.getvalue()
        if len(content) > self._written:
            storage.write(self._where, content)
            self._written = len(content)

    def close(self) -> None:
        self.flush()


class _Factory:
    """What tensorboardX asks for a file."""

    def open(self, where: str) -> _Events:
        return _Events(where)

    def directory_check(self, where: str) -> None:
        """A store has no folders to make."""


def register() -> None:
    """From now on tensorboardX writes to URLs by core/storage.py."""
    for scheme in storage.SCHEMES:
        record_writer.register_writer_factory(scheme, _Factory())
