"""The flow's equation, integrated from noise to data.

    dx / dt = v(x, t),   x(0) noise, x(1) data                                              (1)
    t_j = shifted(j / n, shift),   j = 0 ... n,   d = t_{j+1} - t_j                         (2)
    Euler:  x <- x + d v(x, t_j)                                  error O(1 / n)            (3)
    Heun:   k = v(x, t_j)
            x <- x + d / 2 (k + v(x + d k, t_{j+1}))              error O(1 / n^2)          (4)

Heun evaluates v twice in a step, at t = 1 too: a rectified flow's velocity has no pole there, so
no step falls back to Euler as it does for diffusion in noise levels (Karras et al. 2022).  A shift
above 1 puts more of the steps where noise is; see losses/rectified_flow.py.

No adaptive solver: diffrax, the kept library of them, brings equinox, optimistix, lineax,
jaxtyping and wadler-lindig, and chooses its steps by an error norm over the batch, so that a
sample would depend on the others drawn with it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.losses import rectified_flow

Field = Callable[[jax.Array, jax.Array], jax.Array]


def grid(steps: int, shift: float = 1.0) -> np.ndarray:
    """Equation (2): float32 ``[steps + 1]`` from 0 to 1, both exact."""
    return rectified_flow.shifted(np.arange(steps + 1) / steps, shift).astype(np.float32)


def euler(field: Field, x: jax.Array, now: jax.Array, later: jax.Array) -> jax.Array:
    """Equation (3)."""
    return x + (later - now) * field(x, now)


def heun(field: Field, x: jax.Array, now: jax.Array, later: jax.Array) -> jax.Array:
    """Equation (4)."""
    step = later - now
    slope = field(x, now)
    return x + 0.5 * step * (slope + field(x + step * slope, later))


SOLVERS = {"euler": euler, "heun": heun}


def integrate(field: Field, x: jax.Array, times: np.ndarray, solver: str) -> jax.Array:
    """Equation (1), one loop in one program.

    Args:
      field: ``(x, t) -> v`` of x's shape; t is a scalar.
      x: at ``times[0]``.
      times: ``[steps + 1]``, increasing.
      solver: a name in ``SOLVERS``.

    Returns:
      x at ``times[-1]``.
    """

    def step(x, ends):
        return SOLVERS[solver](field, x, *ends), None

    times = jnp.asarray(times)
    return jax.lax.scan(step, x, (times[:-1], times[1:]))[0]
