"""One process at a time: a file that stays locked as long as its descriptor, or a copy, is open."""

import contextlib
import errno
import fcntl
import os
import pathlib
from collections.abc import Iterator

UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # what flock says where there is none


def taken(file: pathlib.Path) -> int | None:
    """The lock as an open descriptor; None where another process has it.

    The file is made if need be, and stays; the system lets go of the lock of a process that ends,
    however it ends.  On a file system without locks it is as if it were free.
    """
    lock = _opened(file)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in UNKNOWN:
            return lock
        os.close(lock)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return lock


@contextlib.contextmanager
def waited_for(file: pathlib.Path) -> Iterator[None]:
    """Holds the lock of :func:`taken`, waiting for others, threads of this process too."""
    lock = _opened(file)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
        yield
    finally:
        os.close(lock)


def _opened(file: pathlib.Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    return os.open(file, os.O_RDWR | os.O_CREAT)
