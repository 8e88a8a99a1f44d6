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

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from pv_vae_jax.core.precision import compute_dtype, with_bias

_attention = jax.nn.dot_product_attention


def dense(features: int, dtype: str, name: str, init: Callable | None = None) -> "Dense":
    """:class:`Dense` under a name; W is Xavier uniform at first if nothing else is said."""
    return Dense(features, dtype, init or nn.initializers.xavier_uniform(), name=name)


class Dense(nn.Module):
    """Equation (1), b 0 at first; float32 means float32 everywhere.

    Attributes:
      features: D.
      dtype: compute type, "float32" or "bfloat16".
      kernel_init: of W.
    """

    features: int
    dtype: str
    kernel_init: Callable

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[..., C]`` to ``[..., D]``, of the compute type."""
        dtype = compute_dtype(self.dtype)
        w = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        b = self.param("bias", nn.initializers.zeros, (self.features,))
        precision = lax.Precision.HIGHEST if self.dtype == "float32" else None
        return with_bias(_product(x.astype(dtype), w.astype(dtype), precision), b)


def _product(x: jax.Array, w: jax.Array, precision: lax.Precision | None) -> jax.Array:
    """Places ``[..., C]`` times ``[C, D]``."""

    def plain(x, w):
        return jnp.matmul(x, w, precision=precision)

    def flat(x, w):
        return plain(x.reshape(-1, x.shape[-1]), w).reshape(*x.shape[:-1], w.shape[-1])

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
