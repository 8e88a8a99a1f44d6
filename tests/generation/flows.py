"""Flows with closed forms, and a small network, for tests of what integrates them.

A Gaussian target N(m, s^2), noise N(0, 1): x_t = (1 - t) x_0 + t x_1 has the mean t m and the
variance a^2 = (1 - t)^2 + t^2 s^2, and cov(x_1 - x_0, x_t) = t s^2 - (1 - t) = a a'.  So
v(x, t) = m + (a' / a) (x - t m), and along it (x - t m) / a stays what it was: the flow carries x_0
to m + s x_0.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import rng
from pv_vae_jax.generation.sampler import Sampling

SHAPE = (2, 2, 2, 3)
MEAN, STD = 1.5, 0.4
NULL = 4


def noise_of(seed, indices, shape=SHAPE):
    key = rng.stream_key(seed, "sample")
    return rng.latent_noise(key, jnp.asarray(indices), shape[0], shape[1:])


def wide(time, x):
    return time.reshape(-1, *(1,) * (x.ndim - 1))


def gaussian(params, x, time, label):
    del label
    mean, std = params
    t = wide(time, x)
    return mean + (t * std**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * std**2) * (x - t * mean)


def network(params, x, time, label):
    """Everything of an example sees everything of it, and its class."""
    flat = x.reshape(len(x), -1)
    hidden = jnp.tanh(flat @ params["in"] + params["class"][label] + 3 * time[:, None])
    return (hidden @ params["out"]).reshape(x.shape)


@functools.cache
def params(size=24, width=16):
    random = np.random.default_rng(0)
    shapes = {"in": (size, width), "class": (NULL + 1, width), "out": (width, size)}
    return {
        name: jnp.asarray(random.standard_normal(shape, np.float32) / np.sqrt(shape[0]))
        for name, shape in shapes.items()
    }


def by_example(params, x, time, label):
    return jax.lax.map(
        lambda one: network(params, *(leaf[None] for leaf in one))[0], (x, time, label)
    )


LABELS = jnp.array([0, 3, 1, 2, 2, 0, 1, 3])
GUIDED = Sampling(steps=5, solver="heun", guidance=3.0, shift=2.0)
