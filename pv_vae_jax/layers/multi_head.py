"""What Transformers are made of: a matrix, and attention in several heads.

    y = W x + b                                                                             (1)
    attend(q, k, v) = softmax(q k^T / sqrt(d)) v,     in heads of d channels                (2)

On CPU (1) is one matrix product of all places: XLA's gradient of W over two axes of places takes
twice as long.
(2) is ``jax.nn.dot_product_attention``, its softmax in float32: on NVIDIA in bfloat16 by cuDNN,
where it can and where there are more keys than channels in a head (with fewer, the scores that
it need not store are smaller than the queries); by plain XLA everywhere else.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from pv_vae_jax.core.precision import compute_dtype

_attention = jax.nn.dot_product_attention


def dense(features: int, dtype: str, name: str, init: Callable | None = None) -> nn.Dense:
    """Equation (1), Xavier uniform and 0 at first; float32 means float32 everywhere."""
    return nn.Dense(
        features,
        dtype=compute_dtype(dtype),
        precision=lax.Precision.HIGHEST if dtype == "float32" else None,
        kernel_init=init or nn.initializers.xavier_uniform(),
        name=name,
        dot_general=_product,
    )


def _product(x: jax.Array, w: jax.Array, dimensions: Any, **how: Any) -> jax.Array:
    """``lax.dot_general`` of places ``[..., C]`` with ``[C, D]``."""

    def plain(x, w):
        return lax.dot_general(x, w, dimensions, **how)

    def flat(x, w):
        y = lax.dot_general(x.reshape(-1, x.shape[-1]), w, (((1,), (0,)), ((), ())), **how)
        return y.reshape(*x.shape[:-1], w.shape[-1])

    return lax.platform_dependent(x, w, cpu=flat, default=plain)


def fused(q: jax.Array, k: jax.Array) -> bool:
    """Whether attention of ``q`` over ``k``, ``[N, tokens, heads, d]``, is cuDNN's on NVIDIA."""
    if q.dtype == jnp.float32 or k.shape[1] <= k.shape[-1]:
        return False
    try:
        jax.eval_shape(functools.partial(_attention, implementation="cudnn"), q, k, k)
    except RuntimeError:  # no cuDNN here, or none for this size of head
        return False
    return True


def attend(q: jax.Array, k: jax.Array, v: jax.Array, lengths: jax.Array | None = None) -> jax.Array:
    """Equation (2).

    Args:
      q: ``[N, queries, heads, d]``.
      k: ``[N, keys, heads, d]``.
      v: likewise.
      lengths: int32 ``[N]``, at least 1: how many keys there are, the first of them; None for all.

    Returns:
      ``[N, queries, heads, d]``.
    """

    def by(implementation):
        return functools.partial(
            _attention, key_value_seq_lengths=lengths, implementation=implementation
        )

    if q.dtype == jnp.float32:
        with jax.default_matmul_precision("highest"):
            return by("xla")(q, k, v)
    if not fused(q, k):
        return by("xla")(q, k, v)
    return lax.platform_dependent(q, k, v, cuda=by("cudnn"), default=by("xla"))
