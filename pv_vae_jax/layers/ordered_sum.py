"""A sum over the last axis whose order of addition is fixed.

    s(x_1 .. x_n) = s(x_1 + x_{h+1}, ..., x_h + x_{2h}),  h = n / 2                          (1)

On CPU the library picks the order of a reduction by the number of rows, so that a prefix of a clip
would round otherwise than the whole.  (1), a tree of elementwise additions, has one order for every
number of rows, and was faster than the library's reduction too.  Accelerators use their own sum.
"""

import jax
import jax.numpy as jnp
from jax import lax


def _tree(x: jax.Array) -> jax.Array:
    while (count := x.shape[-1]) > 1:
        if count % 2:
            x = jnp.concatenate([x, jnp.zeros_like(x[..., :1])], axis=-1)
        half = x.shape[-1] // 2
        x = x[..., :half] + x[..., half:]
    return x


@jax.custom_vjp
def ordered_sum(x: jax.Array) -> jax.Array:
    """Equation (1): float32 ``[..., C]`` to ``[..., 1]``."""

    def plain(x):
        return jnp.sum(x, axis=-1, keepdims=True)

    return lax.platform_dependent(x, cpu=_tree, default=plain)


def _forward(x):
    return ordered_sum(x), x.shape


def _backward(shape, ds):
    return (jnp.broadcast_to(ds, shape),)


ordered_sum.defvjp(_forward, _backward)
