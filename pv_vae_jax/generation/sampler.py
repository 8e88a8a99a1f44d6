"""Samples of a rectified flow: noise, carried by the velocity to latents.

    x_0[i] = noise(seed, i),   dx = v(x, t, label[i]) dt,   latents[i] = x(t = 1)           (1)

The noise of sample i depends on (seed, i) alone: batches, devices and order change nothing but
the rounding of the network.  solvers.py integrates, guidance.py guides.

Latents that are known (the first groups of a clip to be continued) travel on a straight path:

    v = known - x_0 where observed,   so   x_t = (1 - t) x_0 + t known                      (2)

The network sees them there, noised as in training, and moves the others.  This is RePaint without
resampling (Lugmayr et al. 2022, arXiv:2201.09865), the replacement method of Ho et al. 2022
(arXiv:2204.03458), and has its limits.  v(x_t, t) is a mean over all pairs that pass x_t, and what
is observed is one of them: the others feel it too weakly while it is noisy.  Exact only where they
are independent of it.  Of two unit Gaussians of correlation 0.8, one observed at y, the other
has mean 0.80 y and variance 0.36; it is drawn with 0.35 y and 0.67.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from pv_vae_jax.core import rng
from pv_vae_jax.generation import guidance, solvers
from pv_vae_jax.losses import rectified_flow


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How a flow is sampled; the defaults are the paper's where it says.

    Attributes:
      steps: of the solver (the paper: 100).
      solver: "euler" (the paper) or "heun", which evaluates the network twice a step.
      guidance: scale of classifier-free guidance; 1 for none, which costs half.
      shift: of the time grid; above 1 more of the steps are where noise is.
      guided: (first, last) time at which guidance is on; 0 is noise, 1 is data.

    Raises:
      ValueError: a field is out of its range.
    """

    steps: int = 100
    solver: str = "euler"
    guidance: float = 1.0
    shift: float = 1.0
    guided: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"a sampler takes at least 1 step; got steps = {self.steps}.")
        if self.solver not in solvers.SOLVERS:
            known = ", ".join(solvers.SOLVERS)
            raise ValueError(f"a solver is one of {known}; got {self.solver!r}.")
        if not self.guidance >= 0:
            raise ValueError(
                f"guidance is a scale: 0 ignores the label, 1 is none, more is more; "
                f"got {self.guidance}."
            )
        rectified_flow.check_shift(self.shift)
        object.__setattr__(self, "guided", tuple(self.guided))
        if len(self.guided) != 2 or not 0 <= self.guided[0] < self.guided[1] <= 1:
            raise ValueError(
                f"guided is a pair of times (first, last), 0 <= first < last <= 1; "
                f"got {self.guided}."
            )


def _check(indices, shape, labels, settings, observed, known) -> None:
    """Raises ValueError if the arguments of :func:`sample` do not fit each other."""
    if len(shape) != 4 or min(shape) < 1:
        raise ValueError(f"the shape of a sample is (G, h, w, c), each at least 1; got {shape}.")
    if indices.ndim != 1:
        raise ValueError(f"indices are [N], one for each sample; got the shape {indices.shape}.")
    if settings.guidance != 1.0 and labels is None:
        raise ValueError(
            f"guidance = {settings.guidance} needs labels to guide by; give labels, or 1 for none."
        )
    if (observed is None) != (known is None):
        missing = "observed" if observed is None else "known"
        raise ValueError(f"observed and known go together; {missing} is missing.")
    samples = len(indices)
    wanted = {
        "labels": (labels, (samples,)),
        "observed": (observed, (samples, shape[0])),
        "known": (known, (samples, *shape)),
    }
    for name, (array, size) in wanted.items():
        if array is not None and array.shape != size:
            raise ValueError(
                f"{name} of {samples} samples {shape} has the shape {size}; got {array.shape}."
            )


_noise = jax.jit(rng.latent_noise, static_argnames=("groups", "shape"))


@functools.partial(jax.jit, static_argnames=("velocity", "null", "settings"))
def _carried(velocity, params, noise, labels, null, settings, observed, known):
    """Equations (1) and (2), from the noise on."""
    field = guidance.guided_field(
        velocity, params, labels, null, settings.guidance, settings.guided
    )
    times = solvers.grid(settings.steps, settings.shift)
    if observed is None:
        return solvers.integrate(field, noise, times, settings.solver)
    observed = observed.reshape(*observed.shape, 1, 1, 1)
    known = known.astype(jnp.float32)

    def conditioned(x, time):
        return jnp.where(observed, known - noise, field(x, time))

    latents = solvers.integrate(conditioned, noise, times, settings.solver)
    return jnp.where(observed, known, latents)


def sample(
    velocity: guidance.Velocity,
    params: Any,
    seed: int,
    indices: jax.Array,
    shape: tuple[int, int, int, int],
    labels: jax.Array | None,
    null: int,
    settings: Sampling,
    observed: jax.Array | None = None,
    known: jax.Array | None = None,
) -> jax.Array:
    """Samples ``indices`` of the flow, by equations (1) and (2), all steps in one program.

    On a mesh, give ``indices`` (and labels, observed, known) split over its data axis: each device
    draws its own samples.  A program is kept for each ``velocity`` object, shape and settings.

    Args:
      velocity: ``(params, x [N, G, h, w, c], time [N], label [N] or None) -> v`` of x's shape,
        float32; hashable, and the same object in each call.
      params: passed on to it.
      seed: of the run of samples.
      indices: which samples, integers ``[N]``.
      shape: ``(G, h, w, c)`` of a sample.
      labels: integers ``[N]``; None for an unconditional flow.
      null: the label that stands for no class.
      settings: how.
      observed: bool ``[N, G]``, the groups that are given.
      known: normalised latents ``[N, G, h, w, c]``; only the observed groups are read.

    Returns:
      Normalised latents, float32 ``[N, G, h, w, c]``; ``known`` itself where observed.

    Raises:
      ValueError: shapes do not fit, guidance without labels, or one of observed and known alone.
    """
    indices, shape = jnp.asarray(indices), tuple(int(size) for size in shape)
    labels = None if labels is None else jnp.asarray(labels, jnp.int32)
    observed = None if observed is None else jnp.asarray(observed, bool)
    known = None if known is None else jnp.asarray(known)
    _check(indices, shape, labels, settings, observed, known)
    noise = _noise(rng.stream_key(seed, "sample"), indices, groups=shape[0], shape=shape[1:])
    return _carried(velocity, params, noise, labels, null, settings, observed, known)
