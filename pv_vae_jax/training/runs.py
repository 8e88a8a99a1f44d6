"""From a config to its run."""

import dataclasses
from typing import Any

from pv_vae_jax.core import storage
from pv_vae_jax.training import runtime, workdir
from pv_vae_jax.training.generator_run import GeneratorRun
from pv_vae_jax.training.run import Run
from pv_vae_jax.training.vae_run import VAERun


def of(config: dict[str, Any]) -> Run:
    """The run of a config, resolved, as plain dicts.

    Raises:
      ValueError: a value cannot be; the message begins with its key.
    """
    runtime.check(config)
    return GeneratorRun.of(config) if "generator" in config else VAERun.of(config)


def of_workdir(folder: storage.Where) -> Run:
    """The run of a folder, as :func:`of`; of a generator with the latents that it began with.

    Raises:
      FileNotFoundError: the folder is not a run's.
    """
    config = workdir.read_config(folder)
    if "generator" not in config:
        return VAERun.of(config)
    latents = workdir.read_latents(folder)
    names = workdir.read_classes(folder)  # of clips, known since the data was opened
    if latents is not None and len(names) == config["generator"]["fields"]["classes"]:
        latents = dataclasses.replace(latents, classes=names)
    return GeneratorRun.of(config, latents)
