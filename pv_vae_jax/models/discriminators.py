"""Discriminators: which patches of a clip look real.

    x -> [conv 4x4 / 2, leaky ReLU] for each width -> conv 3x3 -> logits [B, T', h, w]      (1)
    W_sn = W / sigma,   v = unit(W u),   u <- unit(W^T v),   sigma = v^T W u                (2)

Two kinds of (1).  ``frame`` judges each frame alone, T' = T: kernels span one frame.  ``clip``
judges motion: kernels span three frames, the first and the last frame repeated outside the clip,
and time is halved from the second layer on, T' = 1 + (T - 1) // 2^(n - 1) for n widths.  A logit
sees 2^n (3 + 2) - 2 pixels a side: 38 for three widths, 78 for four (the usual PatchGAN: 70).

(2) is spectral normalisation; ``u`` is state, in the collection ``batch_stats``, and moves only
where the caller asks.  flax.linen.SpectralNorm computes the same, but names its state by paths
with "/", which our trees (core/trees.py) could not tell from nested dicts, and starts with a ``u``
for which sigma is far too small.
Reference: Isola et al., arXiv 1611.07004 (PatchGAN); Miyato et al., arXiv 1802.05957.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.core.precision import compute_dtype, with_bias
from pv_vae_jax.core.trees import Tree
from pv_vae_jax.layers.causal_conv import initial_kernel
from pv_vae_jax.layers.convolution import causal_conv3d

KINDS = {"frame": ("frame",), "clip": ("clip",), "both": ("frame", "clip")}
NORMALISATIONS = ("none", "spectral")
SLOPE = 0.2  # of the leaky ReLU below zero
FIRST_ITERATIONS = 15  # of (2) at the start; one an update afterwards


def _initial_kernel(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Normal, all taps alike, so that a layer and its leaky ReLU keep the mean square."""
    return (2 / (1 + SLOPE**2)) ** 0.5 * initial_kernel(key, shape, (1, 1), spread=True)


def spectral_norm(kernel: jax.Array, u: jax.Array, steps: int = 1) -> tuple[jax.Array, jax.Array]:
    """Equation (2).

    Args:
      kernel: ``[..., O]``, taken as a matrix W of O columns.
      u: ``[O]``, the estimate of its first right singular vector.
      steps: power iterations.

    Returns:
      (sigma, which a gradient passes, the new ``u``).
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    fixed = jax.lax.stop_gradient(matrix)

    def left(u):
        return _unit(jnp.dot(fixed, u, precision="highest"))

    def iterate(_, u):
        return _unit(jnp.dot(left(u), fixed, precision="highest"))

    u = jax.lax.fori_loop(0, steps - 1, iterate, jax.lax.stop_gradient(u))
    v, u = left(u), iterate(0, u)
    return jnp.dot(jnp.dot(v, matrix, precision="highest"), u, precision="highest"), u


def _unit(x: jax.Array) -> jax.Array:
    return x / jnp.maximum(jnp.linalg.norm(x), 1e-12)


class Convolution(nn.Module):
    """A convolution over time (kernel 1 or 3) and space, not causal, its kernel normalised or not.

    Attributes:
      features: output channels.
      kernel: ``(kt, kh, kw)``; ``kt`` is odd.
      strides: (time, space).
      normalisation: "none" or "spectral".
      dtype: compute type; parameters, and equation (2), are float32.
    """

    features: int
    kernel: tuple[int, int, int]
    strides: tuple[int, int]
    normalisation: str
    dtype: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, 1 + (T - 1) // st, H // ss, W // ss, features]``."""
        dtype = compute_dtype(self.dtype)
        w = self.param("kernel", _initial_kernel, (*self.kernel, x.shape[-1], self.features))
        b = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.normalisation == "spectral":
            w = w / self._sigma(w)
        beyond = self.kernel[0] // 2
        x = x.astype(dtype)
        x = jnp.concatenate([x[:, :1]] * beyond + [x] + [x[:, -1:]] * beyond, axis=1)
        y = causal_conv3d(x, w.astype(dtype), self.strides)  # the frames before are in x
        return with_bias(y, b)

    def _sigma(self, w: jax.Array) -> jax.Array:
        def first():
            u = jax.random.normal(self.make_rng("params"), (self.features,))
            return spectral_norm(w, u, FIRST_ITERATIONS)[1]

        u = self.variable("batch_stats", "u", first)
        sigma, new = spectral_norm(w, u.value)
        if self.is_mutable_collection("batch_stats") and not self.is_initializing():
            u.value = new
        return sigma


class PatchGAN(nn.Module):
    """Equation (1); ``kind`` is "frame" or "clip", the other fields as in :func:`build`."""

    kind: str
    widths: tuple[int, ...]
    normalisation: str
    dtype: str

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        """``[B, T, H, W, 3]`` in [-1, 1] to logits ``[B, T', H / 2^n, W / 2^n]``, float32.

        Raises:
          ValueError: the clip is too small to be halved n times.
        """
        least = 2 ** len(self.widths)
        if min(video.shape[2:4]) < least:
            raise ValueError(
                f"{len(self.widths)} widths halve a clip to nothing below {least} pixels a side, "
                f"got {video.shape[2]} x {video.shape[3]}: give fewer widths."
            )
        form = {"normalisation": self.normalisation, "dtype": self.dtype}
        time = 1 if self.kind == "frame" else 3
        x = video
        for i, width in enumerate(self.widths):
            halve = 2 if self.kind == "clip" and i else 1
            conv = Convolution(width, (time, 4, 4), (halve, 2), **form, name=f"conv_{i}")
            x = nn.leaky_relu(conv(x), SLOPE)
        x = Convolution(1, (time, 3, 3), (1, 1), **form, name="logits")(x)
        return x[..., 0].astype(jnp.float32)


class Discriminator(nn.Module):
    """One PatchGAN for each of ``kinds``; the other fields as in :func:`build`."""

    kinds: tuple[str, ...]
    widths: tuple[int, ...]
    normalisation: str = "none"
    dtype: str = "float32"

    @nn.compact
    def __call__(self, video: jax.Array) -> tuple[jax.Array, ...]:
        """``[B, T, H, W, 3]`` in [-1, 1] to one map of logits ``[B, T', h, w]`` for each kind."""
        fields = (self.widths, self.normalisation, self.dtype)
        return tuple(PatchGAN(kind, *fields, name=kind)(video) for kind in self.kinds)


def build(
    kind: str = "frame",
    widths: tuple[int, ...] = (64, 128, 256, 512),
    normalisation: str = "none",
    dtype: str = "float32",
) -> Discriminator:
    """The discriminator of a kind.

    Args:
      kind: "frame", "clip" or "both".
      widths: channels of each layer; each halves height and width.
      normalisation: of the kernels, "none" or "spectral".
      dtype: compute type, "float32" or "bfloat16".

    Raises:
      ValueError: a value that does not exist; the message lists those that do.
    """
    if kind not in KINDS:
        raise ValueError(f"a discriminator's kind is one of {', '.join(KINDS)}; got {kind!r}.")
    if normalisation not in NORMALISATIONS:
        known = ", ".join(NORMALISATIONS)
        raise ValueError(
            f"a discriminator's normalisation is one of {known}; got {normalisation!r}."
        )
    if not widths or min(widths) < 1:
        raise ValueError(f"a discriminator has at least one width, each at least 1; got {widths}.")
    compute_dtype(dtype)
    return Discriminator(KINDS[kind], tuple(widths), normalisation, dtype)


def apply(
    module: Discriminator, variables: Tree, video: jax.Array, update_stats: bool = False
) -> tuple[tuple[jax.Array, ...], Tree]:
    """Logits, and the state of (2): moved by one iteration with ``update_stats``, else as given.

    Args:
      module: see :func:`build`.
      variables: ``{"params": ..., "batch_stats": ...}`` of ``module.init(key, video)``; the latter
        exists, and is wanted, only with spectral normalisation.
      video: ``[B, T, H, W, 3]`` in [-1, 1].
      update_stats: whether the state moves.

    Returns:
      (a tuple of maps of logits ``[B, T', h, w]``, the new ``batch_stats``).
    """
    stats = variables.get("batch_stats", {})
    if not (update_stats and stats):
        return module.apply(variables, video), stats
    logits, changed = module.apply(variables, video, mutable=["batch_stats"])
    return logits, changed["batch_stats"]
