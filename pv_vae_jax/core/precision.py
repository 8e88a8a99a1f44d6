"""Precision: parameters in float32, compute in ``dtype``, reductions in float32.

Modules take one field, ``dtype`` ("float32" or "bfloat16").  Convolutions and matmuls run in it;
sums over many elements (norms, softmax, losses, gradients' means) and everything that is stored
(parameters, optimiser slots, EMA, statistics) are float32.
"""

import jax
import jax.numpy as jnp

COMPUTE = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def compute_dtype(name: str) -> jnp.dtype:
    """The type that a ``dtype`` field names.

    Raises:
      ValueError: neither "float32" nor "bfloat16".
    """
    if name not in COMPUTE:
        raise ValueError(f"dtype is one of {', '.join(COMPUTE)}; got {name!r}.")
    return COMPUTE[name]


def with_bias(y: jax.Array, bias: jax.Array) -> jax.Array:
    """``y [..., C]`` and a float32 bias ``[C]``, added in float32, of the type of ``y``.

    So the gradient of the bias, a sum over all places, is summed in float32.
    """
    total = y.astype(jnp.float32) + bias.reshape((1,) * (y.ndim - 1) + (-1,))
    return total.astype(y.dtype)
