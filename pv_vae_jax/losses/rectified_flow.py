"""Rectified flow: a straight path from noise to data, and the velocity along it.

    x_t = (1 - t) x_0 + t x_1,   x_0 ~ N(0, I) noise, x_1 data, t in [0, 1]                 (1)
    v   = x_1 - x_0                                                                         (2)
    loss[b] = mean_{g h w c} (v(x_t, t) - (x_1 - x_0))^2                                    (3)
    (1 - t') / t' = shift (1 - t) / t,   so   t' = t / (1 + (shift - 1) (1 - t))            (4)

Its minimiser is the mean velocity of all pairs whose paths pass x_t at t; dx = v dt then carries
noise to data (Liu et al. 2022, arXiv:2209.03003; Lipman et al. 2022, arXiv:2210.02747).
Logit-normal times and the shift are those of Stable Diffusion 3 (Esser et al. 2024,
arXiv:2403.03206), whose time runs the other way: its noise level s = 1 - t.

The shift: the mean of n noisy pixels of one value tells it with an error (1 - t) / (t sqrt(n)), so
m pixels hide it as well where the ratio of noise to data is sqrt(m / n) times as large: (4) with
shift = sqrt(m / n), which is SD3's s' = shift s / (1 + (shift - 1) s).  In the logarithm of the
odds it is a move, logit t' = logit t - log shift: logit-normal times stay logit-normal.

All that is random is drawn for each example from (key, global example), so it depends on neither
mesh nor micro-batch.  Each draw has a key of its own: ``rng.step_key`` of a stream of its own; the
noise x_0 is ``rng.latent_noise``.
"""

import jax
import jax.numpy as jnp

KINDS = ("uniform", "logit_normal")


def check_shift(shift: float) -> None:
    """Raises ValueError unless a shift is positive."""
    if not shift > 0:
        raise ValueError(
            f"the shift of times is positive, 1 for none, more for more noise; got {shift}."
        )


def shifted(time, shift: float):
    """Equation (4), for arrays of NumPy or JAX; with a shift of 1 every bit of ``time``.

    Raises:
      ValueError: the shift is not positive.
    """
    check_shift(shift)
    return time / (1.0 + (shift - 1.0) * (1.0 - time))


def _each(draw, key: jax.Array, examples: jax.Array) -> jax.Array:
    """``draw(key of the example)`` for each example."""
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, examples.astype(jnp.uint32))
    return jax.vmap(draw)(keys)


def times(
    key: jax.Array,
    examples: jax.Array,
    kind: str = "uniform",
    mean: float = 0.0,
    std: float = 1.0,
    shift: float = 1.0,
) -> jax.Array:
    """A time for each example.

    Args:
      key: the key of (stream, step).
      examples: global example indices, uint32 ``[B]``.
      kind: "uniform", or "logit_normal": logit t ~ N(mean, std^2).
      mean: of the logit; more is more data (SD3's m is its negative).
      std: of the logit.
      shift: equation (4), after the draw; more is more noise.

    Returns:
      float32 ``[B]`` in [0, 1].

    Raises:
      ValueError: an unknown kind, ``std`` or ``shift`` is not positive.
    """
    if kind not in KINDS:
        raise ValueError(f"times are one of {', '.join(KINDS)}; got {kind!r}.")
    if not std > 0:
        raise ValueError(f"std, the spread of logit-normal times, is positive; got {std}.")
    if kind == "uniform":
        drawn = _each(jax.random.uniform, key, examples)
    else:
        drawn = jax.nn.sigmoid(mean + std * _each(jax.random.normal, key, examples))
    return shifted(drawn, shift)


def path(data: jax.Array, noise: jax.Array, time: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Equations (1) and (2).

    Args:
      data: normalised latents x_1, ``[B, G, h, w, c]``.
      noise: x_0, of the same shape.
      time: ``[B]``.

    Returns:
      (x_t, velocity), float32, of the shape of ``data``.
    """
    data, noise = data.astype(jnp.float32), noise.astype(jnp.float32)
    time = time.astype(jnp.float32).reshape(-1, *(1,) * (data.ndim - 1))
    return (1.0 - time) * noise + time * data, data - noise


def loss(predicted: jax.Array, velocity: jax.Array) -> jax.Array:
    """Equation (3): a mean over all axes but the first, float32 ``[B]``."""
    error = jnp.square(predicted.astype(jnp.float32) - velocity.astype(jnp.float32))
    return jnp.mean(error, axis=tuple(range(1, error.ndim)))


def dropped_labels(
    key: jax.Array, examples: jax.Array, label: jax.Array, null: int, probability: float
) -> jax.Array:
    """Labels, each replaced by the null class with the probability: classifier-free guidance.

    One network then learns v(x, t, label) and v(x, t) (Ho and Salimans 2022, arXiv:2207.12598).

    Args:
      key: the key of (stream, step).
      examples: global example indices, uint32 ``[B]``.
      label: integers ``[B]``.
      null: the label that stands for no class.
      probability: in [0, 1].

    Returns:
      Integers ``[B]``, of the type of ``label``.

    Raises:
      ValueError: the probability is none.
    """
    if not 0 <= probability <= 1:
        raise ValueError(
            f"the probability of dropping a label lies between 0 and 1; got {probability}."
        )
    drop = _each(jax.random.uniform, key, examples) < probability
    return jnp.where(drop, jnp.asarray(null, label.dtype), label)
