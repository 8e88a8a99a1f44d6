"""Several processes, one run: how they find one another, that they agree, how they end.

    --coordinator=host:port --processes=N --process=I    by flags, anywhere
    --cluster=auto      by the scheduler's environment if it tells of several processes (Slurm,
                        Open MPI, TPU pods of GKE); otherwise this process is alone
    --cluster=tpu       a TPU pod's own metadata; slurm, ompi, mpi4py, k8s: that scheduler; none

Every process must have the same config and the same versions; that is compared at the start.  A
process that dies ends the others within ``--lost_after`` seconds; each leaves what it was doing in
``workdir/failures/process-I.log`` (of a workdir at a URL: in the cache folder), and the same
command, given to all of them, goes on.
"""

import contextlib
import faulthandler
import hashlib
import importlib.metadata
import json
import os
import pathlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from absl import flags

METHODS = {"slurm": "slurm", "ompi": "ompi", "mpi4py": "mpi4py", "k8s": "k8s", "tpu": None}
VERSIONS = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
LOST = 3  # exit code: another process of the run was lost

COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "host:port of process 0, if several processes train together."
)
PROCESSES = flags.DEFINE_integer("processes", 1, "How many processes there are.", lower_bound=1)
PROCESS = flags.DEFINE_integer("process", 0, "Which of them this is, from 0.", lower_bound=0)
CLUSTER = flags.DEFINE_enum(
    "cluster", "auto", ["auto", "none", *METHODS], "Who knows the processes, without --coordinator."
)
LOST_AFTER = flags.DEFINE_integer(
    "lost_after", 60, "Seconds after which a silent process counts as lost.", lower_bound=10
)


def scheduler_of(environment: Mapping[str, str]) -> str | None:
    """The scheduler whose environment tells of several processes; None if there is none."""

    def several(name: str) -> bool:
        return environment.get(name, "").isdigit() and int(environment[name]) > 1

    if "SLURM_PROCID" in environment and "SLURM_STEP_NODELIST" in environment:
        return "slurm" if several("SLURM_NTASKS") else None
    if several("OMPI_COMM_WORLD_SIZE"):
        return "ompi"
    if "," in environment.get("TPU_WORKER_HOSTNAMES", ""):
        return "tpu"
    return None


def connect() -> None:
    """Joins the other processes, if there are any; call it before any device is used.

    Raises:
      ValueError: flags that contradict one another.
      ConnectionError: the others were not met.
    """
    settings: dict[str, Any] = {
        "heartbeat_timeout_seconds": LOST_AFTER.value,
        "shutdown_timeout_seconds": LOST_AFTER.value,
    }
    if COORDINATOR.value is not None:
        if not PROCESS.value < PROCESSES.value:
            raise ValueError(
                f"--process={PROCESS.value} is to be below --processes={PROCESSES.value}."
            )
        if CLUSTER.value not in ("auto", "none"):
            raise ValueError(f"--coordinator and --cluster={CLUSTER.value}: give one of them.")
        where = COORDINATOR.value, PROCESSES.value, PROCESS.value
        settings["cluster_detection_method"] = "deactivate"
    elif PROCESSES.value > 1 or PROCESS.value:
        flag = f"--processes={PROCESSES.value} --process={PROCESS.value}"
        raise ValueError(f"{flag} needs --coordinator=host:port.")
    else:
        name = scheduler_of(os.environ) if CLUSTER.value == "auto" else CLUSTER.value
        if name in (None, "none"):
            return
        where = None, None, None
        settings["cluster_detection_method"] = METHODS[name]
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(*where, **settings)
    except KeyError as error:
        raise ConnectionError(
            f"--cluster={CLUSTER.value}: the environment has no {error}, by which the processes "
            "would meet (Open MPI 5 has none): give --coordinator=host:port --processes=N "
            "--process=I, such as $OMPI_COMM_WORLD_RANK."
        ) from error
    except (RuntimeError, ValueError) as error:
        raise ConnectionError(
            f"the processes of this run did not meet: {_first_line(error)} All of them must be "
            "started, with one --coordinator=host:port that each can reach."
        ) from error


def check_agreement(config: dict[str, Any]) -> None:
    """Raises ValueError on every process if their configs or versions differ."""
    if jax.process_count() == 1:
        return
    from pv_vae_jax.sharding import agreement

    versions = {name: importlib.metadata.version(name) for name in VERSIONS}
    facts = {"config": config, "versions": versions, "python": sys.version_info[:2]}
    digests = [
        hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
        for value in facts.values()
    ]
    for name, other in zip(facts, agreement.unlike_first(digests), strict=True):
        if other:
            who = ", ".join(map(str, other))
            raise ValueError(
                f"the {name} of process {who} differs from that of process 0: start all processes "
                "with the same command, from the same commit, in the same environment."
            )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".") + "."


@contextlib.contextmanager
def failure_log(workdir: os.PathLike) -> Iterator[None]:
    """Keeps what this process did when it failed; alone, a process needs none.

    JAX ends a process whose peer is lost from outside Python: faulthandler then writes where each
    thread was.  A failed collective arrives as an error: it ends the process with exit code 3.
    """
    if jax.process_count() == 1:
        yield
        return
    from pv_vae_jax.core import cache, storage  # not before connect: it imports jax.numpy

    # faulthandler wants a file of this machine
    home = cache.folder("") if storage.is_url(workdir) else workdir
    folder = pathlib.Path(home) / "failures"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"process-{jax.process_index()}.log"
    with path.open("w", buffering=1) as file:
        faulthandler.enable(file)
        try:
            yield
        except BaseException as error:
            traceback.print_exc(file=file)
            lost = isinstance(error, jax.errors.JaxRuntimeError)
            if not lost or "RESOURCE_EXHAUSTED" in str(error):
                raise
            print(
                f"error: process {jax.process_index()} lost another process of this run "
                f"({_first_line(error)}) Checkpoints are whole: give the same command to all "
                f"processes and the run goes on. See {folder}.",
                file=sys.stderr,
                flush=True,
            )
            os._exit(LOST)  # the goodbye of jax.distributed would wait for the lost one
        finally:
            faulthandler.disable()
    if not path.stat().st_size:
        path.unlink()
