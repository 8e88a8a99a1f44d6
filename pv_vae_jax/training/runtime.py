"""The values that ``config.runtime`` may have: looked at before anything is made with them."""

from collections.abc import Mapping
from typing import Any

from pv_vae_jax.core import fields

LEAST = {
    "workers": 0,
    "threads": 0,
    "log_every": 1,  # skipped updates are looked for when a run logs
    "evaluate_every": 0,
    "checkpoint_every": 0,
    "keep": 1,
    "skip_limit": 1,
    # of a video VAE
    "evaluate_clips": 1,
    "final_clips": 1,
    "observe": 1,
    "calibration_batches": 1,
    # of a generator
    "samples": 0,
    "batch": 1,
}


def check(config: Mapping[str, Any]) -> None:
    """Raises ValueError for a key of ``runtime``, or a seed, of a value that cannot be."""
    runtime = config["runtime"]
    least = {field: value for field, value in LEAST.items() if field in runtime}
    fields.at_least(runtime, least, "config.runtime.")
    if not 0 <= config["seed"] < 2**32:
        raise ValueError(f"config.seed is from 0 to {2**32 - 1}; got {config['seed']}.")
