"""What every door does before JAX starts, and how it ends when a user's input is wrong.

Flags of XLA are set here and nowhere else, and only for versions of jaxlib on which they were
tried.  A bad input ends as one sentence on stderr and exit code 2.  For the traceback behind a
sentence set PV_VAE_JAX_TRACEBACK=1.  So does a Python without the packages: most often the
environment is not active.
"""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Callable
from typing import NoReturn

# On CPU: no library of fusions that is slower here; and programs in the order that needs the least
# memory (all kernels of a model were copied at its start; the same results, no slower).
XLA_FLAGS = {
    "0.10.2": "--xla_cpu_experimental_ynn_fusion_type= "
    "--xla_cpu_enable_concurrency_optimized_scheduler=false"
}
OURS = ("pv_vae_jax", "launch", "configs")


def prepare() -> None:
    """Sets XLA's flags and the folder of compiled programs; call it before JAX is imported.

    What the user set stays: flags of ``XLA_FLAGS`` come after ours (the last one counts), and
    ``JAX_COMPILATION_CACHE_DIR`` wins.  Programs are kept in ``PV_VAE_JAX_CACHE`` (by default
    ``~/.cache/pv_vae_jax``), subfolder ``xla``.  A second call changes nothing.  Exits 2 where
    there is no jaxlib.
    """
    try:
        ours = XLA_FLAGS.get(importlib.metadata.version("jaxlib"), "")
    except importlib.metadata.PackageNotFoundError as error:
        _end(error)
    flags = os.environ.get("XLA_FLAGS", "")
    if ours not in flags:
        os.environ["XLA_FLAGS"] = f"{ours} {flags}".strip()
    cache = os.path.expanduser(os.environ.get("PV_VAE_JAX_CACHE", "~/.cache/pv_vae_jax"))
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{cache.rstrip('/')}/xla")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def count(text: str) -> int:
    """A flag's whole number from 1, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it is a whole number from 1, got {text}.")
    return int(text)


def seed(text: str) -> int:
    """A flag's seed, for argparse: the random generators take 32 bits of it."""
    if not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"it is a whole number from 0 to {2**32 - 1}, got {text}.")
    return int(text)


def sentence(error: Exception) -> str:
    """The error as a sentence; an OSError of the system names its file first."""
    if isinstance(error, ModuleNotFoundError):
        return (
            f"{sys.executable} has no package {error.name}: activate the environment that "
            "launch/quickstart.sh or launch/test.sh makes (. .venv/bin/activate), or install it."
        )
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}."
    return str(error)


def run(main: Callable[[], None]) -> None:
    """Runs a door: :func:`prepare`, then ``main``; exits 2 after a user's error."""
    prepare()
    try:
        main()
    except Exception as error:
        if not _is_users(error):
            raise
        _end(error)
    except KeyboardInterrupt:
        sys.exit(130)


def _is_users(error: Exception) -> bool:
    """Whether a sentence is enough; what else is raised is a fault of ours."""
    if isinstance(error, ModuleNotFoundError):
        return str(error.name).split(".")[0] not in OURS
    from pv_vae_jax.data.clips import ClipError

    return isinstance(error, (ValueError, FloatingPointError, OSError, ClipError))


def _end(error: Exception) -> NoReturn:
    if os.environ.get("PV_VAE_JAX_TRACEBACK"):
        raise error
    print(f"error: {sentence(error)}", file=sys.stderr)
    sys.exit(2)
