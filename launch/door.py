"""What every door does before JAX starts, and how it ends when a user's input is wrong.

Flags of XLA are set here and nowhere else, and only for versions of jaxlib on which they were
tried.  A bad input ends as one sentence on stderr and exit code 2.  For the traceback behind a
sentence set PV_VAE_JAX_TRACEBACK=1.
"""

import importlib.metadata
import os
import sys
from collections.abc import Callable

# On CPU: no library of fusions that is slower here; and programs in the order that needs the least
# memory (all kernels of a model were copied at its start; the same results, no slower).
XLA_FLAGS = {
    "0.10.2": "--xla_cpu_experimental_ynn_fusion_type= "
    "--xla_cpu_enable_concurrency_optimized_scheduler=false"
}


def prepare() -> None:
    """Sets XLA's flags and the folder of compiled programs; call it before JAX is imported.

    What the user set stays: flags of ``XLA_FLAGS`` come after ours (the last one counts), and
    ``JAX_COMPILATION_CACHE_DIR`` wins.  Programs are kept in ``PV_VAE_JAX_CACHE`` (by default
    ``~/.cache/pv_vae_jax``), subfolder ``xla``.  A second call changes nothing.
    """
    ours = XLA_FLAGS.get(importlib.metadata.version("jaxlib"), "")
    flags = os.environ.get("XLA_FLAGS", "")
    if ours not in flags:
        os.environ["XLA_FLAGS"] = f"{ours} {flags}".strip()
    cache = os.path.expanduser(os.environ.get("PV_VAE_JAX_CACHE", "~/.cache/pv_vae_jax"))
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{cache.rstrip('/')}/xla")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def sentence(error: Exception) -> str:
    """The error as a sentence; an OSError of the system names its file first."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}."
    return str(error)


def run(main: Callable[[], None]) -> None:
    """Runs a door: :func:`prepare`, then ``main``; exits 2 after a user's error."""
    prepare()
    try:
        main()
    except Exception as error:
        from pv_vae_jax.data.clips import ClipError

        known = isinstance(error, (ValueError, FloatingPointError, OSError, ClipError))
        if not known or os.environ.get("PV_VAE_JAX_TRACEBACK"):
            raise
        print(f"error: {sentence(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
