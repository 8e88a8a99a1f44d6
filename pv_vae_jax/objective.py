"""The paper's equation (1): withhold, encode, pad, decode, named terms, total.

    L = w_mse MSE + w_difference Diff + w_lpips LPIPS + lambda w_gan GAN + w_kl KL              (1)
    lambda = |dR/dW| / |dGAN/dW|,   R = the terms of pixels without GAN, W the last layer       (2)

``lambda`` is 1 where the balance is "fixed".  Each term is a mean over the frames of an example
(KL: over its *observed* latents), then over examples; with the loss "withheld" MSE, Diff and LPIPS
are of withheld pixels alone (losses/pixel_terms.py).  This is the only file in which terms meet
their weights.  A weight of zero removes its term from the program.  Every term of pixels is also
reported on observed and on withheld frames apart.

The step is cut at the reconstruction y: each term gives its cotangent dL/dy, and one pullback
through decoder and encoder serves their sum.  A cotangent of the GAN that is not finite is zeroed.

``mask`` and ``slice`` are one function: ``slice`` encodes only the groups that are seen
(``withheld`` is then a constant of the program), ``mask`` encodes all of them.  What
``batch.observed`` says was not seen is replaced twice: its pixels before the encoder
(:meth:`PVVAE.hide`), its latents after it (:meth:`PVVAE.pad`).
References: arXiv 2605.02134, section 3, equation (1); (2): arXiv 2012.09841, equation (7).
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from pv_vae_jax.core import dims, pixels, rng, trees
from pv_vae_jax.data.batch import Batch
from pv_vae_jax.losses import adversarial, kl, pixel_terms
from pv_vae_jax.withholding import observed_frames

TERMS = ("mse", "difference", "lpips", "gan", "kl")
BALANCES = ("adaptive", "fixed")
PLACE_TERMS = {"mse": pixel_terms.squared_error, "difference": pixel_terms.difference_error}


@dataclasses.dataclass(frozen=True)
class Judges:
    """The networks that look at the pixels, as functions.

    Attributes:
      lpips: (video, target) to values ``[B, T]`` and which of them count.
      gan: (video, what was seen ``[B, T, h', w']``) to the generator's loss of each example.
      balance: "adaptive", equation (2), or "fixed".
    """

    lpips: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]] | None = None
    gan: pixel_terms.ClipTerm | None = None
    balance: str = "adaptive"

    def lpips_of_places(self, video: jax.Array, target: jax.Array, grid: tuple[int, int]):
        """LPIPS as a term of places, which are whole frames whatever the grid."""
        del grid
        return tuple(x[:, :, None, None] for x in self.lpips(video, target))


@dataclasses.dataclass(frozen=True)
class Keys:
    """The keys of one update: of the streams "latent", "padding"."""

    latent: jax.Array
    padding: jax.Array


def check_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights that are not zero.

    Raises:
      ValueError: a weight is negative, belongs to no term, or no term of pixels has one.
    """
    for name, weight in weights.items():
        if name not in TERMS:
            raise ValueError(f"weights.{name}: no such term; the terms are {', '.join(TERMS)}.")
        if weight < 0:
            raise ValueError(f"weights.{name} is {weight}; a weight is at least 0.")
    active = {name: float(weight) for name, weight in weights.items() if weight}
    if not set(active) & set(PLACE_TERMS):
        raise ValueError(f"at least one weight of {', '.join(PLACE_TERMS)} must be above 0.")
    return active


def predict(module: nn.Module, params, batch: Batch, keys: Keys, withheld: int):
    """Withholds, encodes, samples, pads, decodes.

    Args:
      module: a video VAE (interface.py) with ``hide`` and ``pad``.
      params: its parameters.
      batch: the clips; ``batch.observed`` says what is seen.
      keys: of the noise of the posterior and of Gaussian padding.
      withheld: how many last groups are not even encoded (``slice``); 0 for ``mask``.

    Returns:
      (clip in [-1, 1] ``[B, T, H, W, 3]``, its prediction, posterior of the encoded groups).
      Whatever ``hide`` is shown in withheld places changes neither prediction nor posterior.
    """
    video = pixels.to_float(batch.video)
    groups = batch.observed.shape[1]
    seen = groups - withheld
    variables = {"params": params}
    frames = dims.frames_of(seen, module.spec.temporal)
    shown = observed_frames(batch.observed[:, :seen], module.spec.temporal)
    visible = module.apply(variables, video[:, :frames], shown, method="hide")
    with jax.named_scope("encode"):
        posterior = module.apply(variables, visible, method="posterior")
    shape = posterior.mean.shape[2:]
    latents = posterior.sample(rng.latent_noise(keys.latent, batch.index, seen, shape))
    padding = rng.latent_noise(keys.padding, batch.index, groups, shape)
    padded = module.apply(variables, latents, batch.observed, padding, method="pad")
    with jax.named_scope("decode"):
        return video, module.apply(variables, padded, method="decode_raw"), posterior


def _predicted(module, frozen, batch, weights, keys, withheld, trainable):
    """((prediction, KL), (clip, report of the KL)): the pair first is what is differentiated."""
    target, video, posterior = predict(
        module, trees.merge(frozen, trainable), batch, keys, withheld
    )
    if "kl" not in weights:
        return (video, jnp.float32(0.0)), (target, {})
    observed = batch.observed[:, : batch.observed.shape[1] - withheld]
    nats = kl.divergence(posterior, cells=observed.shape[2:] != (1, 1))
    report = {"kl": pixel_terms.over(nats, observed)}
    return (video, jnp.mean(pixel_terms.mean_over(nats, observed))), (target, report)


@dataclasses.dataclass(frozen=True)
class _Total:
    """Equation (1) up to some term.

    Attributes:
      value: sum of the weighted terms.
      cotangent: its slope by the reconstruction, ``[B, T, H, W, 3]``.
      report: of the terms.
    """

    value: jax.Array
    cotangent: jax.Array
    report: pixel_terms.Report

    def plus(self, weight, value, cotangent, report: pixel_terms.Report) -> "_Total":
        """With a term of pixels, as pixel_terms.py gives it."""
        value, cotangent = self.value + weight * value, self.cotangent + weight * cotangent
        return _Total(value, cotangent, self.report | report)


def _with_places(
    total: _Total, weights: Mapping[str, float], judges: Judges, cut: pixel_terms.Cut,
    norm: Callable | None,
) -> _Total:  # fmt: skip
    """With MSE, Diff and LPIPS; ``norm`` is :func:`_norm_at` the last layer, None for no report."""
    for name, term in {**PLACE_TERMS, "lpips": judges.lpips_of_places}.items():
        if name not in weights:
            continue
        with jax.named_scope("losses"):
            value, part, values = pixel_terms.of_places(name, term, cut)
        if norm:
            values[f"last_layer/{name}"] = (weights[name] * norm(part), jnp.float32(1.0))
        total = total.plus(weights[name], value, part, values)
    return total


def _with_gan(
    total: _Total, weight: float, judges: Judges, cut: pixel_terms.Cut, norm: Callable | None
) -> _Total:
    """With the GAN, balanced by equation (2) against ``total``; ``norm`` is needed for (2)."""
    with jax.named_scope("losses"):
        value, part, values = pixel_terms.of_clips("gan", judges.gan, cut)
    balance = one = jnp.float32(1.0)
    if judges.balance == "adaptive":
        norms = norm(total.cotangent), norm(part)
        balance = adversarial.adaptive_weight(*norms)
        values["last_layer/gan"] = (weight * balance * norms[1], one)
    values["gan/lambda"] = (balance, one)
    return total.plus(weight * balance, value, part, values)


def _norm_at(path: str, pullback: Callable, cotangent: jax.Array) -> jax.Array:
    """Norm of the gradient at one parameter that a cotangent of the reconstruction pulls back."""
    gradient = trees.flatten(pullback((cotangent, jnp.float32(0.0)))[0])
    return jnp.linalg.norm(gradient[path].astype(jnp.float32).reshape(-1))


def value_and_gradient(
    module: nn.Module,
    trainable: trees.Tree,
    frozen: trees.Tree,
    batch: Batch,
    weights: Mapping[str, float],
    keys: Keys,
    withheld: int = 0,
    judges: Judges = Judges(),  # noqa: B008  (frozen)
    loss: str = "all",
) -> tuple[trees.Tree, pixel_terms.Report, pixel_terms.Cut]:
    """Equation (1) and its gradient.

    Args:
      module: see :func:`predict`, as ``batch``, ``keys`` and ``withheld``.
      trainable: parameters by which is differentiated.
      frozen: the other parameters.
      batch: clips.
      weights: of the terms; those that are zero must be absent (:func:`check_weights`).
      keys: keys.
      withheld: number of groups.
      judges: those that ``weights`` names; a weight whose judge is None has no part (a GAN that
        has not started).
      loss: the pixels in MSE, Diff and LPIPS, "all" or "withheld".

    Returns:
      (gradient of the total by ``trainable``, report, what the discriminator learns from).
      The report has the total, each term, the norm of the gradient of each term of pixels at the
      last layer (``last_layer/TERM``), and ``gan/lambda``.

    Raises:
      ValueError: the balance is adaptive, but the last layer is not trained.
    """
    with_gan = "gan" in weights and judges.gan is not None
    last_is_trained = module.last_layer in trees.flatten(trainable)
    if with_gan and judges.balance == "adaptive" and not last_is_trained:
        raise ValueError(
            "the adaptive balance of the GAN reads the gradient of the last layer, "
            f"{module.last_layer}, which this stage does not train: set balance = 'fixed'."
        )
    seen = observed_frames(batch.observed, module.spec.temporal)  # [B, T, h', w']
    predicted = functools.partial(_predicted, module, frozen, batch, weights, keys, withheld)
    (video, divergence), pullback, (target, report) = jax.vjp(predicted, trainable, has_aux=True)
    cut = pixel_terms.Cut(target, jax.lax.stop_gradient(video), seen, loss)
    norm = None
    if last_is_trained and (with_gan or "lpips" in weights):
        norm = functools.partial(_norm_at, module.last_layer, pullback)
    kl_weight = jnp.float32(weights.get("kl", 0.0))
    total = _Total(kl_weight * divergence, jnp.zeros_like(video), report)
    total = _with_places(total, weights, judges, cut, norm)
    if with_gan:
        total = _with_gan(total, weights["gan"], judges, cut, norm)
    (gradient,) = pullback((total.cotangent, kl_weight))
    examples = jnp.float32(video.shape[0])
    return gradient, total.report | {"total": (total.value * examples, examples)}, cut
