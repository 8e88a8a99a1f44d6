"""The programs of a config: those of a video VAE, or those of a generator.

video VAE     train, encode, decode     training/ahead.py
generator     train                     training/ahead.py, on kept latents (generator_ahead.py)
              sample                    generation/ahead.py, by config.sampling
"""

import dataclasses
from typing import Any

from jax.sharding import Mesh

from pv_vae_jax.data.buckets import Bucket
from pv_vae_jax.generation import ahead as sampling_ahead
from pv_vae_jax.generation.sampler import Sampling
from pv_vae_jax.sharding import shapes
from pv_vae_jax.training import ahead, generator_ahead
from pv_vae_jax.training.ahead import Ahead
from pv_vae_jax.training.generator_run import GeneratorRun
from pv_vae_jax.training.vae_run import VAERun

OF_GENERATORS = ("train", "sample")


@dataclasses.dataclass(frozen=True)
class Named:
    """A program that is ready to be lowered, and what it is in words."""

    name: str
    ahead: Ahead


def of(
    config: dict[str, Any], mesh: Mesh, what: str, per_device: int = 0, withheld: int = 0
) -> Named:
    """A program of a config of one stage and one bucket (settings.only).

    Args:
      config: resolved, as plain dicts.
      mesh: of the devices to compile for.
      what: which of its programs.
      per_device: samples on each part of the data axis; 0 for ``config.runtime.batch`` of them in
        all, rounded up.  All other programs take the batch of the bucket.
      withheld: groups that ``slice`` does not encode.

    Raises:
      ValueError: no such program, or a value cannot be.
    """
    if "generator" in config:
        return _of_generator(config, mesh, what, per_device, withheld)
    run = VAERun.of(config)
    (stage,) = run.stages
    (bucket,) = stage.data.buckets
    program = ahead.program(what, run, stage, bucket, mesh, withheld)
    network = config["model"]["name"]
    return Named(_text(what, stage, network, bucket[2]), program)


def _text(what: str, stage: Any, network: str, count: int) -> str:
    head = f"{what} of {stage.name}" if what == "train" else what
    ((height, width, *_),) = stage.data.buckets
    return f"{head}, {network}, {count} clips of {stage.data.frames} x {height} x {width}"


def _of_generator(
    config: dict[str, Any], mesh: Mesh, what: str, per_device: int, withheld: int
) -> Named:
    if what not in OF_GENERATORS:
        raise ValueError(
            f"--what {what}: the programs of a generator are {', '.join(OF_GENERATORS)}; those of "
            "its video VAE are compiled by a config of that."
        )
    if withheld:
        raise ValueError(f"--withheld {withheld}: a generator sees all groups; leave it out.")
    run = generator_ahead.described(config)
    (stage,) = run.stages
    if what == "train":
        (bucket,) = stage.data.buckets
        program = ahead.train(run, stage, mesh, Bucket(*bucket))
        return Named(_text(what, stage, run.name, bucket[2]), program)
    return sampling(run, mesh, per_device)


def sampling(run: GeneratorRun, mesh: Mesh, per_device: int = 0) -> Named:
    """Noise to latents by ``config.sampling``; arguments and errors as of :func:`of`."""
    parts = mesh.shape["data"]
    count = per_device * parts or -(-run.config["runtime"]["batch"] // parts) * parts
    try:
        settings = Sampling(**run.config["sampling"])
    except ValueError as error:
        raise ValueError(f"config.sampling: {error}") from error
    shape = run.latents.shape
    function, arguments = sampling_ahead.program(run.module, shape, count, settings, mesh, run.seed)
    program = Ahead(function, arguments, shapes.bytes_on_one(arguments[0]), 0)
    head = f"sample by {settings.steps} steps of {settings.solver}"
    return Named(_text(head, run.stages[0], run.name, count), program)
