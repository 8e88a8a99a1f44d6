"""Adversarial losses: equations on the logits of discriminators.

    hinge            D: (relu(1 - r) + relu(1 + f)) / 2        G: -f                        (1)
    non-saturating   D: (softplus(-r) + softplus(f)) / 2       G: softplus(-f)              (2)
    LeCam            relu(r - a_f)^2 + relu(a_r - f)^2,        a <- d a + (1 - d) mean      (3)
    R1               mean_{T H W C} (d sum(r) / d x)^2                                      (4)
    adaptive weight  clip(|g_rec| / (|g_gan| + 1e-6), 0, 1e4)                               (5)

``r`` and ``f`` are logits of real and of reconstructed pixels: a tuple of maps ``[B, T', h, w]``,
one for each discriminator (models/discriminators.py).  A value is a mean over the positions of a
map, then over the maps, so that each discriminator counts alike: ``[B]``.  ``where``, one mask
``[B, T', h, w]`` for each map, or ``[B, T', 1, 1]`` for whole frames, says which positions of a map
count (all, if None).

(4) is a mean over pixels, so its weight does not change with resolution; the R1 of ``sum(r)``
that is common for PatchGANs is T H W C times as large.  In (5) the norms are those of the gradients
at the decoder's last layer.
Reference: Lim and Ye, arXiv 1705.02894 (1); Goodfellow et al., arXiv 1406.2661 (2); Tseng et al.,
arXiv 2104.03310 (3), with the relu of its code; Mescheder et al., arXiv 1801.04406 (4); Esser et
al., arXiv 2012.09841 (5).
"""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.withholding import observed_pixels

KINDS = ("hinge", "non_saturating")

Maps = tuple[jax.Array, ...]
Where = tuple[jax.Array, ...] | None


def hide(video: jax.Array, observed: jax.Array) -> jax.Array:
    """``video [B, T, H, W, C]``, 0 in the places that ``observed [B, T, h', w']`` does not mark.

    Done to real and reconstructed clips alike, it keeps predicted pixels from the discriminator.
    """
    return jnp.where(observed_pixels(observed, *video.shape[2:4]), video, 0.0)


def visible(logits: Maps, observed: jax.Array) -> tuple[jax.Array, ...]:
    """The mask of places ``[B, T, h', w']`` on each map: bool ``[B, T', h, w]``.

    A logit belongs to the place in the middle of what it sees; maps halve time 0, 1, 2, ... times.
    A mask of whole frames stays ``[B, T', 1, 1]``.
    """
    masks = []
    for values in logits:
        stride = 1
        while (kept := observed[:, ::stride]).shape[1] > values.shape[1]:
            stride *= 2
        for axis in (2, 3) if kept.shape[2:] != (1, 1) else ():
            count = values.shape[axis]
            middle = (2 * np.arange(count) + 1) * kept.shape[axis] // (2 * count)
            kept = jnp.take(kept, middle, axis=axis)
        masks.append(kept)
    return tuple(masks)


def per_example(maps: Maps, where: Where = None) -> jax.Array:
    """Mean over the positions that count of each map, then over maps: ``[B]``."""
    means = []
    for i, values in enumerate(maps):
        counted = jnp.ones((*values.shape[:2], 1, 1), bool) if where is None else where[i]
        if counted.shape[2:] == (1, 1):
            values = jnp.mean(values, axis=(2, 3), keepdims=True)
        total = jnp.sum(jnp.where(counted, values, 0.0), axis=(1, 2, 3))
        means.append(total / jnp.maximum(jnp.sum(counted, axis=(1, 2, 3)), 1))
    return sum(means) / len(means)


def _margin(kind: str, logits: jax.Array) -> jax.Array:
    """What a logit costs where it should be high."""
    if kind not in KINDS:
        raise ValueError(f"an adversarial loss is one of {', '.join(KINDS)}; got {kind!r}.")
    return jax.nn.relu(1.0 - logits) if kind == "hinge" else jax.nn.softplus(-logits)


def for_discriminator(kind: str, real: Maps, fake: Maps, where: Where = None) -> jax.Array:
    """Equations (1) and (2), D: ``[B]``; 1 and log 2 where every logit is 0.

    Raises:
      ValueError: ``kind`` is neither "hinge" nor "non_saturating".
    """
    costs = (0.5 * (_margin(kind, r) + _margin(kind, -f)) for r, f in zip(real, fake, strict=True))
    return per_example(tuple(costs), where)


def for_generator(kind: str, fake: Maps, where: Where = None) -> jax.Array:
    """Equations (1) and (2), G: ``[B]``.

    Raises:
      ValueError: ``kind`` is neither "hinge" nor "non_saturating".
    """
    costs = (_margin(kind, f) if kind != "hinge" else -f for f in fake)
    return per_example(tuple(costs), where)


@flax.struct.dataclass
class Averages:
    """The state of (3): decayed means of the logits, float32 ``[maps]``, 0 at the start."""

    real: jax.Array
    fake: jax.Array

    @classmethod
    def start(cls, maps: int) -> "Averages":
        """Of ``maps`` discriminators."""
        return cls(jnp.zeros(maps), jnp.zeros(maps))

    @classmethod
    def of(cls, real: Maps, fake: Maps, where: Where = None) -> "Averages":
        """The means of a batch, constants of the gradient."""

        def means(maps):
            each = [None] * len(maps) if where is None else [(mask,) for mask in where]
            found = [per_example((m,), w).mean() for m, w in zip(maps, each, strict=True)]
            return jax.lax.stop_gradient(jnp.stack(found))

        return cls(means(real), means(fake))

    def moved(self, batch: "Averages", decay: float) -> "Averages":
        """After a batch of these means; what is not finite is the caller's care."""
        return jax.tree.map(lambda old, new: decay * old + (1.0 - decay) * new, self, batch)


def lecam(real: Maps, fake: Maps, averages: Averages, where: Where = None) -> jax.Array:
    """Equation (3), ``[B]``, for the discriminator; ``averages`` are those before this batch."""
    costs = (
        jnp.square(jax.nn.relu(r - averages.fake[i]))
        + jnp.square(jax.nn.relu(averages.real[i] - f))
        for i, (r, f) in enumerate(zip(real, fake, strict=True))
    )
    return per_example(tuple(costs), where)


def r1(logits_of: Callable[[jax.Array], Maps], video: jax.Array) -> jax.Array:
    """Equation (4), ``[B]``: a penalty on slopes at real pixels.

    Args:
      logits_of: the discriminator with its parameters, no state moved.
      video: real clips ``[B, T, H, W, 3]``.
    """
    slope = jax.grad(lambda video: sum(jnp.sum(logits) for logits in logits_of(video)))(video)
    return jnp.mean(jnp.square(slope), axis=(1, 2, 3, 4))


def adaptive_weight(reconstruction_norm: jax.Array, adversarial_norm: jax.Array) -> jax.Array:
    """Equation (5): how much the adversarial gradient is scaled; a constant of the gradient."""
    ratio = reconstruction_norm / (adversarial_norm + 1e-6)
    return jax.lax.stop_gradient(jnp.clip(ratio, 0.0, 1e4))


def accuracy(real: Maps, fake: Maps, where: Where = None) -> jax.Array:
    """Share of logits on their right side of 0, ``[B]``; one half is a guess."""
    right = (0.5 * ((r > 0).astype(jnp.float32) + (f < 0)) for r, f in zip(real, fake, strict=True))
    return per_example(tuple(right), where)
