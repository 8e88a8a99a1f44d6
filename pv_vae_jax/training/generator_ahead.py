"""The run of a generator whose update is compiled for devices that are not here (ahead.py).

Nothing is drawn, loaded or run: the form of the latents follows from the name of a video VAE, of
which they are taken as kept.
"""

from typing import Any

from pv_vae_jax.models.generator import LatentForm
from pv_vae_jax.training.generator_latents import clip_form
from pv_vae_jax.training.generator_run import GeneratorRun
from pv_vae_jax.training.generator_stages import stages_of
from pv_vae_jax.zoo import registry


def described(config: dict[str, Any], dtype: str = "bfloat16") -> GeneratorRun:
    """The run of a config as far as its programs go; no file is read.

    Args:
      config: resolved, as plain dicts; ``tokenizer.model`` is the name of a video VAE, whose
        latents, statistics as published, are taken as kept by launch.prepare_data latents.
      dtype: in which they are kept.

    Raises:
      ValueError: it is no such name, or another value cannot be; the message begins with its key.
    """
    name = config["tokenizer"]["model"]
    if name not in registry.names():
        raise ValueError(
            f"config.tokenizer.model: the form of the latents is that of a named video VAE, got "
            f"{name!r}; there are {', '.join(registry.names())}."
        )
    module, form = registry.build(name), clip_form(stages_of(config))
    try:
        shape = module.spec.latent_shape(*form)
    except ValueError as error:
        raise ValueError(f"config.stages: {error}") from error
    known = {"name": name, "spec": str(module.spec)}
    for part, values in zip(("mean", "std"), registry.statistics(name), strict=True):
        known[part] = values.tolist()
    return GeneratorRun.of(config, LatentForm(known, shape, dtype=dtype))
