"""Random numbers: named streams, each key used once.

    key(stream, step)                 = fold_in(fold_in(key(seed), crc32(stream)), step)     (1)
    noise(stream, step, example, g)   = normal(fold_in(fold_in((1), example), g))            (2)

Noise for a latent depends on the global example and the group, so it is the same whatever the
number of withheld groups, the mesh or the micro-batch.  On the host, (3) gives the generator of
example ``i``: a function of (seed, stream, i), so that any worker can make any example.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np


def _number(stream: str) -> int:
    return zlib.crc32(stream.encode())


def stream_key(seed: int, stream: str) -> jax.Array:
    """The key of a named stream, before the step is folded in."""
    return jax.random.fold_in(jax.random.key(seed), _number(stream))


def step_key(seed: int, stream: str, step: jax.Array | int) -> jax.Array:
    """Equation (1)."""
    return jax.random.fold_in(stream_key(seed, stream), step)


def latent_noise(
    key: jax.Array, examples: jax.Array, groups: int, shape: tuple[int, int, int]
) -> jax.Array:
    """Equation (2): standard normal noise for latents.

    Args:
      key: the key of (stream, step).
      examples: global example indices, uint32 ``[B]``.
      groups: number of groups G (or the first so many: earlier groups do not change).
      shape: ``(h, w, c)``.

    Returns:
      float32 ``[B, G, h, w, c]``.
    """

    def one(example, group):
        return jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, example), group), shape)

    over_groups = jax.vmap(one, in_axes=(None, 0))
    return jax.vmap(over_groups, in_axes=(0, None))(
        examples.astype(jnp.uint32), jnp.arange(groups, dtype=jnp.uint32)
    )


def fold(seed: int, stream: str) -> int:
    """A seed of its own for a part of the run that has streams of its own."""
    return int(np.random.SeedSequence([seed, _number(stream)]).generate_state(1)[0])


def host_generator(seed: int, stream: str, *indices: int) -> np.random.Generator:
    """(3) The NumPy generator of (seed, stream, indices), for the input pipeline."""
    return np.random.default_rng([seed, _number(stream), *indices])
