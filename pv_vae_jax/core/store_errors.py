"""What fails at a URL as OSErrors that are sentences, and which errors may pass.

An error of the libraries of stores, or a missing library, says what to do; nothing is caught that
is done with the bytes.
"""

import contextlib
import errno
import os
from collections.abc import Iterator

PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "s3": "s3fs", "az": "adlfs", "hf": "huggingface_hub"}
LOGIN = {
    "gs": "log in by `gcloud auth application-default login`, or ask its owner for the role "
    "Storage Object User",
}
# Libraries whose errors are those of a store, not of what is done with its bytes.
LIBRARIES = ("gcsfs", "s3fs", "adlfs", "fsspec", "aiohttp", "google", "botocore", "requests")
# What a system says of itself or of rights, not of what a file holds.
PASSING = (
    errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE,
    errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.EBUSY,
)  # fmt: skip


class StoreError(OSError):
    """A store does not answer, or something of it is missing; the message says what to do."""


class Missing(StoreError, FileNotFoundError):
    """There is no such file, folder or bucket."""


class Denied(StoreError, PermissionError):
    """The store does not let us."""


@contextlib.contextmanager
def explained(
    where: str | os.PathLike, kinds: tuple[type, ...] = (OSError, ImportError)
) -> Iterator[None]:
    """Errors of a store, and of ``kinds``, become OSErrors that are sentences; not with a path."""
    try:
        yield
    except Exception as error:
        foreign = type(error).__module__.split(".")[0] in LIBRARIES or isinstance(error, kinds)
        if "://" not in os.fspath(where) or isinstance(error, StoreError) or not foreign:
            raise
        raise _sentence(error, os.fspath(where)) from error


def may_pass(error: BaseException | None) -> bool:
    """Whether the error, or its cause, is none of the file itself: another try may read it."""
    while error is not None:
        if isinstance(error, StoreError):
            return not isinstance(error, Missing)
        if isinstance(error, OSError) and error.errno in PASSING:
            return True
        error = error.__cause__
    return False


def _sentence(error: Exception, url: str) -> StoreError:
    scheme, rest = url.split("://", 1)
    bucket = rest.split("/")[0]
    said = " ".join(str(error).split())
    if isinstance(error, ImportError):
        package = PACKAGES.get(scheme)
        wanted = f"the package {package}: pip install {package}" if package else f"more ({said})"
        return StoreError(f"{url} needs {wanted}.")
    code = str(getattr(error, "code", "") or getattr(error, "status", ""))
    words = f"{type(error).__name__} {said}".lower()
    refused = ("forbidden", "permission", "credential", "anonymous", "unauthorized", "denied")
    if code in ("401", "403") or any(word in words for word in refused):
        login = LOGIN.get(scheme, "log in, or ask its owner for access")
        return Denied(f"{url} may not be used with the credentials of this machine: {login}.")
    if isinstance(error, FileNotFoundError) or code == "404":
        return Missing(f"there is no {url}; check the name, and that the bucket {bucket} exists.")
    return StoreError(f"{url} cannot be used ({said or type(error).__name__}).")
