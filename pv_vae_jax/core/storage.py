"""Files of this machine and of others: a path, or a URL such as ``gs://bucket/runs/a``.

    a path                        pathlib.Path
    gs://  s3://  az://  hf://    etils.epath.Path over fsspec: runs, caches, exports, data
    any other URL                 fsspec: data that is read

An object store has no folders, no renaming and no appending.  So every file that matters is written
in one way, whole or not at all (:func:`whole`): beside its place and renamed, or, elsewhere, to a
scratch file here that is then uploaded; an object appears when its upload is complete.

Nothing but the standard library is imported before the first URL.  What fails at a URL is raised as
an OSError that says what to do (store_errors.py).
"""

import contextlib
import hashlib
import logging
import os
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

from pv_vae_jax.core.store_errors import explained

SCHEMES = ("gs", "s3", "az", "hf")  # that etils.epath knows
READ_AHEAD = 2**20  # bytes fetched at once where a file is read in pieces
log = logging.getLogger(__name__)

Where = str | os.PathLike


def is_url(where: Where) -> bool:
    """Whether ``where`` is a URL, not a path of this machine."""
    return "://" in os.fspath(where)


def path(where: Where) -> Any:
    """``where`` as a ``pathlib.Path``, or as an ``epath.Path`` with the same methods.

    Raises:
      ValueError: an empty name, or a URL of a scheme that cannot be written.
    """
    if not os.fspath(where):
        raise ValueError("an empty name is no file and no folder: give a path or a URL.")
    if not is_url(where):
        return pathlib.Path(where)
    if scheme_of(where) not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(f"{os.fspath(where)} is neither a path nor a URL of {known}.")
    from etils import epath

    _prepare()
    return epath.Path(os.fspath(where))


def scheme_of(url: Where) -> str:
    """``gs`` of ``gs://bucket/a``."""
    return os.fspath(url).split("://")[0]


def absolute(where: Where) -> str:
    """The name under which a file is remembered: an absolute path, or the URL."""
    return os.fspath(where) if is_url(where) else os.path.abspath(where)


def beside(file: Where, name: str) -> str:
    """``name`` relative to the folder of ``file``; an absolute path or a URL stays as it is."""
    if is_url(name):
        return name
    if is_url(file) and not name.startswith("/"):
        return f"{os.fspath(file).rsplit('/', 1)[0]}/{name}"
    return os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(file)), name))


def _prepare() -> None:
    """Another process may write: no listing of a folder is remembered."""
    import fsspec.config

    for scheme in ("gs", "gcs"):
        fsspec.config.conf.setdefault(scheme, {}).setdefault("use_listings_cache", False)


def _system(url: Where) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the name that it has there."""
    import fsspec

    _prepare()
    return fsspec.core.url_to_fs(os.fspath(url))


@contextlib.contextmanager
def opened(where: Where) -> Iterator[BinaryIO]:
    """A file open for reading, with random access; of a URL only what is read is fetched.

    Raises:
      OSError: it is not there, or may not be read.
    """
    if not is_url(where):
        with open(where, "rb") as file:
            yield file
        return
    with explained(where):
        system, name = _system(where)
        file = system.open(name, "rb", block_size=READ_AHEAD)
    with explained(where, ()), file:  # what is done with its bytes has errors of its own
        yield file


def read(where: Where) -> bytes:
    """All bytes of a file; errors as :func:`opened`."""
    if not is_url(where):
        return pathlib.Path(where).read_bytes()
    with explained(where):
        system, name = _system(where)
        return system.cat_file(name)


def sha256(where: Where) -> str:
    """The sha256 of a file, in hexadecimal digits; errors as :func:`opened`."""
    with opened(where) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def here(where: Where) -> Iterator[pathlib.Path]:
    """A file as a path of this machine, for libraries that take nothing else."""
    if not is_url(where):
        yield pathlib.Path(where)
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch, os.fspath(where).rsplit("/", 1)[1])
        with explained(where):
            system, name = _system(where)
            system.get_file(name, str(copy))
        yield copy


@contextlib.contextmanager
def whole(where: Where) -> Iterator[pathlib.Path]:
    """A place on this machine to write a file to; if the block ends well it becomes ``where``.

    An older file is replaced, a missing folder made.  A reader sees the old file or the new one,
    never a part; after an error it is the old one, and nothing is left behind.
    """
    if is_url(where):
        with tempfile.TemporaryDirectory() as scratch:
            partial = pathlib.Path(scratch, "file")
            yield partial
            put(partial, where)
        return
    target = pathlib.Path(where)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        if error.errno and error.filename is None:  # such as that of a full disk
            raise type(error)(error.errno, error.strerror, str(target)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def put(file: pathlib.Path, where: Where) -> None:
    """Moves a finished file of this machine to its place."""
    if not is_url(where):
        shutil.move(file, where)
        return
    with explained(where):
        system, name = _system(where)
        system.put_file(str(file), name)
    file.unlink()


def write(where: Where, content: bytes | str) -> None:
    """Writes a small file by :func:`whole`."""
    with whole(where) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def add(where: Where, text: str) -> None:
    """Appends to a small file; where nothing can be appended, the whole is written anew."""
    if not is_url(where):
        with open(where, "a", encoding="utf-8") as file:
            file.write(text)
        return
    write(where, (read(where) if exists(where) else b"") + text.encode())


def make_folder(where: Where) -> None:
    """Makes a folder and those above it; a store has none to make."""
    if not is_url(where):
        pathlib.Path(where).mkdir(parents=True, exist_ok=True)


def remove_folder(where: Where) -> None:
    """Removes a folder with all that is in it; nothing happens if it is not there."""
    if not exists(where):
        return
    if not is_url(where):
        shutil.rmtree(where)
        return
    with explained(where):
        system, name = _system(where)
        system.rm(name, recursive=True)


def is_folder(where: Where) -> bool:
    """Whether it is a folder, or the beginning of names of a store."""
    if not is_url(where):
        return os.path.isdir(where)
    with explained(where):
        system, name = _system(where)
        return system.isdir(name)


def exists(where: Where) -> bool:
    """Whether there is a file or folder."""
    if not is_url(where):
        return os.path.exists(where)
    with explained(where):
        system, name = _system(where)
        try:
            system.info(name)
        except FileNotFoundError:
            return False
        return True


def stat(where: Where) -> tuple[int, int]:
    """Size in bytes, and a number that changes when the file does (of a path: nanoseconds)."""
    if not is_url(where):
        found = os.stat(where)
        return found.st_size, found.st_mtime_ns
    with explained(where):
        system, name = _system(where)
        return _stat_of(system.info(name))


def _stat_of(info: dict[str, Any]) -> tuple[int, int]:
    keys = ("generation", "etag", "ETag", "md5Hash", "updated", "LastModified", "mtime", "created")
    version = next((str(info[key]) for key in keys if info.get(key)), "")
    return int(info["size"] or 0), int(hashlib.sha256(version.encode()).hexdigest()[:15], 16)


def _unlisted(error: OSError) -> None:
    if isinstance(error, PermissionError):
        log.warning("%s is not used: permission denied.", error.filename)
    elif not isinstance(error, FileNotFoundError):  # a folder that is not there has no files
        raise error


def files_under(folder: Where) -> dict[str, tuple[int, int] | None]:
    """All files of a folder and those in it, sorted: name to :func:`stat` where that is free.

    Links are followed; a folder that is reached twice is taken once, one that may not be listed is
    named and passed over.

    Raises:
      OSError: a folder cannot be listed.
    """
    if not is_url(folder):
        found, seen = [], set()
        for where, folders, names in os.walk(folder, onerror=_unlisted, followlinks=True):
            here = os.stat(where)
            if (here.st_dev, here.st_ino) in seen:
                folders.clear()
                continue
            seen.add((here.st_dev, here.st_ino))
            folders.sort()
            found += [path for path in map(pathlib.Path(where).joinpath, names) if path.is_file()]
        return dict.fromkeys(map(str, sorted(found)))
    with explained(folder):
        system, name = _system(folder)
        found = system.find(name, detail=True)
    return {system.unstrip_protocol(name): _stat_of(found[name]) for name in sorted(found)}
