"""The paper's equation (1): withhold, encode, pad, decode, named terms, total.

    L = w_mse MSE + w_difference Diff + w_lpips LPIPS + w_gan GAN + w_kl KL             (1)

Each term is a mean over the frames of an example (KL: over its *observed* latents), then over
examples.  This is the only file in which terms meet their weights.  A weight of zero removes its
term from the program.  Every term of pixels is also reported on observed and on withheld frames
apart.

``mask`` and ``slice`` are one function: ``slice`` encodes only the groups that are seen
(``withheld`` is then a constant of the program), ``mask`` encodes all of them; :meth:`PVVAE.pad`
replaces what ``batch.observed`` says was not seen.
Reference: arXiv 2605.02134, section 3, equation (1).
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from pv_vae_jax.core import dims, pixels, rng
from pv_vae_jax.data.batch import Batch
from pv_vae_jax.losses import kl, reconstruction
from pv_vae_jax.withholding import observed_frames

PIXEL_TERMS = {
    "mse": reconstruction.squared_error,
    "difference": reconstruction.difference_error,
}
TERMS = (*PIXEL_TERMS, "kl")
PLANNED = ("lpips", "gan")  # named places in (1) that have no implementation yet

# A reported value is (sum, count), so that it merges over micro-batches, hosts and steps.
Report = dict[str, tuple[jax.Array, jax.Array]]


def check_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights that are not zero.

    Raises:
      ValueError: a weight is negative, belongs to no term, or to a term that does not exist yet.
    """
    for name, weight in weights.items():
        if name not in TERMS and name not in PLANNED:
            raise ValueError(f"weights.{name}: no such term; the terms are {', '.join(TERMS)}.")
        if weight < 0:
            raise ValueError(f"weights.{name} is {weight}; a weight is at least 0.")
        if weight and name in PLANNED:
            raise ValueError(
                f"weights.{name} is {weight}, but this version has no {name} term; set it to 0."
            )
    active = {name: float(weight) for name, weight in weights.items() if weight}
    if not set(active) & set(PIXEL_TERMS):
        raise ValueError(f"at least one weight of {', '.join(PIXEL_TERMS)} must be above 0.")
    return active


def _over(values: jax.Array, where: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.sum(jnp.where(where, values, 0.0)), jnp.sum(where, dtype=jnp.float32)


def _mean_over(values: jax.Array, where: jax.Array) -> jax.Array:
    """Mean of ``values [B, n]`` where ``where``, per example ``[B]``; 0 where there is none."""
    count = jnp.sum(where, axis=1)
    return jnp.sum(jnp.where(where, values, 0.0), axis=1) / jnp.maximum(count, 1)


def predict(
    module: nn.Module,
    params,
    batch: Batch,
    latent_key: jax.Array,
    padding_key: jax.Array,
    withheld: int,
):
    """Withholds, encodes, samples, pads, decodes.

    Args:
      module: a video VAE (interface.py) with ``pad``.
      params: its parameters.
      batch: the clips; ``batch.observed`` says which groups are seen.
      latent_key: key of (stream "latent", step).
      padding_key: key of (stream "padding", step), for Gaussian padding.
      withheld: how many last groups are not even encoded (``slice``); 0 for ``mask``.

    Returns:
      (clip in [-1, 1] ``[B, T, H, W, 3]``, its prediction, posterior of the encoded groups).
    """
    video = pixels.to_float(batch.video)
    groups = batch.observed.shape[1]
    seen = groups - withheld
    variables = {"params": params}
    frames = dims.frames_of(seen, module.spec.temporal)
    posterior = module.apply(variables, video[:, :frames], method="posterior")
    shape = posterior.mean.shape[2:]
    latents = posterior.sample(rng.latent_noise(latent_key, batch.index, seen, shape))
    padding = rng.latent_noise(padding_key, batch.index, groups, shape)
    padded = module.apply(variables, latents, batch.observed, padding, method="pad")
    return video, module.apply(variables, padded, method="decode_raw"), posterior


def objective(
    module: nn.Module,
    params,
    batch: Batch,
    weights: Mapping[str, float],
    latent_key: jax.Array,
    padding_key: jax.Array,
    withheld: int = 0,
) -> tuple[jax.Array, Report]:
    """Equation (1).

    Args:
      module: see :func:`predict`, as ``params``, ``batch``, the keys and ``withheld``.
      params: parameters.
      batch: clips.
      weights: of the terms; those that are zero must be absent (:func:`check_weights`).
      latent_key: key.
      padding_key: key.
      withheld: number of groups.

    Returns:
      The total, a scalar, and a report: name to (sum, count).
    """
    target, video, posterior = predict(module, params, batch, latent_key, padding_key, withheld)
    seen = observed_frames(batch.observed, module.spec.temporal)  # [B, T]
    examples = jnp.float32(video.shape[0])
    total, report = jnp.float32(0.0), {}
    for name, term in PIXEL_TERMS.items():
        if name not in weights:
            continue
        values = term(video, target)  # [B, T]
        counted = jnp.ones_like(seen)
        if name == "difference":
            counted = counted.at[:, 0].set(False)
        total += weights[name] * jnp.mean(_mean_over(values, counted))
        report[name] = _over(values, counted)
        report[f"{name}/observed"] = _over(values, counted & seen)
        report[f"{name}/withheld"] = _over(values, counted & ~seen)
    if "kl" in weights:
        values = kl.divergence(posterior)  # [B, G']
        observed = batch.observed[:, : values.shape[1]]
        total += weights["kl"] * jnp.mean(_mean_over(values, observed))
        report["kl"] = _over(values, observed)
    report["total"] = (total * examples, examples)
    return total, report
