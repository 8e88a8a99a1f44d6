"""What the references said (tests/golden/zoo), their weights by rule.py, and our decoders."""

import functools
import json
import pathlib

import jax
import numpy as np

from tests.golden.zoo import rule

FOLDER = pathlib.Path(__file__).parents[1] / "golden" / "zoo"


def read(name):
    """The arrays of a golden file."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def shapes(golden, key):
    """The names and shapes of a state dict that a golden file lists."""
    return {name: tuple(shape) for name, shape in json.loads(str(golden[key])).items()}


def state(golden, key):
    """That state dict."""
    return {name: rule.tensor(name, shape) for name, shape in shapes(golden, key).items()}


def decoder(vae):
    """Raw latents to video, neither normalised nor cut."""
    apply = jax.jit(functools.partial(vae.module.apply, method="decode_raw"))
    return lambda latents: np.asarray(apply({"params": vae.params}, latents))
