"""The base of every generator's config: all keys there are, with defaults, locked.

A config file imports :func:`base` and :func:`stage`, sets what differs, returns the result.  Keys
under ``runtime``, ``sampling`` and ``profile`` and the ``steps`` of the stages may change when a
run goes on; all others are its identity.
"""

from ml_collections import ConfigDict

from configs.base import data, runtime
from pv_vae_jax.models import latte_sizes


def stage(**changes) -> ConfigDict:
    """One stage (pv_vae_jax/training/generator_stages.py) of the paper's training of a generator.

    Args:
      **changes: values of top-level keys; a dict changes only the keys that it has.
    """
    config = ConfigDict(
        {
            "steps": 250_000,  # the paper
            # T = 17; (height, width, global batch, 1).
            "data": {
                "frames": 17,
                "buckets": ((256, 256, 64, 1),),
                "strides": (1,),
                "flip": 0.0,
                "reversal": 0.0,
            },
            "flow": {
                "times": "uniform",  # uniform | logit_normal
                "mean": 0.0,  # of logit-normal times
                "std": 1.0,
                "shift": 1.0,  # above 1: more noise
                "drop": 0.1,  # of labels, for classifier-free guidance
                "latents": "sample",  # sample | mean of the posterior
            },
            # Regular expression on parameter paths; the rest is frozen.
            "trainable": ".*",
            "optimizer": {
                "learning_rate": 1e-4,  # the paper
                "warmup": 1000,
                "final": 1.0,  # constant after the warm-up
                "b1": 0.9,
                "b2": 0.999,
                "weight_decay": 0.0,
                "clip": 1.0,
                "ema": 0.9999,
                "accumulate": 1,
                "mu_dtype": "float32",
            },
            # "" is the stage before (fresh weights for the first), the path of a generator's
            # export, or the workdir of another run.
            "init_from": "",
        }
    )
    config.lock()
    config.update(changes)
    return config


def base(generator: str = "latte_xl", **fields) -> ConfigDict:
    """The config of a run of a named size; set what differs, unlock nothing."""
    config = ConfigDict(
        {
            "seed": 0,
            # "START:STOP": a trace of these updates for XProf (docs/observability.md).
            "profile": "",
            # The video VAE: an export, or a name with its public weights.  With cached latents it
            # only decodes samples, and may be "".
            "tokenizer": {"model": "", "weights": ""},
            # A named network with all its fields (pv_vae_jax/models/latte_sizes.py); channels 0:
            # those of the latents.
            "generator": {
                "name": generator,
                "fields": latte_sizes.fields(generator, **({"channels": 0} | fields)),
            },
            # latents: a folder that launch.prepare_data latents made; or else clips, as for a
            # video VAE, encoded in every step.
            "data": {"latents": ""} | data(),
            "run": ("generator",),
            "stages": {"generator": stage()},
            # How samples are drawn, at intervals and at the end (pv_vae_jax/generation/sampler.py).
            "sampling": {
                "steps": 100,  # the paper
                "solver": "euler",  # the paper; or heun
                "guidance": 1.0,
                "shift": 1.0,
                "guided": (0.0, 1.0),
            },
            "runtime": runtime()
            | {
                "samples": 16,  # shown at intervals
                "batch": 16,  # samples at once
                # FVD and KVD at intervals by a protocol of generation, "" for none
                # (docs/generation.md); with the folders of its data sets by name.
                "protocol": "",
                "protocol_data": (),  # "NAME=FOLDER" each
            },
        }
    )
    config.lock()
    return config
