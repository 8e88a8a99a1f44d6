"""Precision: parameters in float32, compute in ``dtype``, reductions in float32.

Modules take one field, ``dtype`` ("float32" or "bfloat16").  Convolutions and matmuls run in it;
sums over many elements (norms, softmax, losses, gradients' means) and everything that is stored
(parameters, optimiser slots, EMA, statistics) are float32.
"""

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
