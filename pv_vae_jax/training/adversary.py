"""The discriminator's half of an update.

    L_D = loss(D(x), D(y)) + w_lecam LeCam + [every n-th update] n w_r1 R1                (1)

``x`` are real clips, ``y`` their reconstructions before the update of the generator, as constants.
The discriminator has an optimiser of its own.  Its update is skipped, and counted, if its gradient
or the GAN's cotangent on the pixels is not finite; the generator's update does not depend on that.
"""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from pv_vae_jax.core import trees
from pv_vae_jax.losses import adversarial, pixel_terms
from pv_vae_jax.models import discriminators
from pv_vae_jax.training import optimizers
from pv_vae_jax.training.stages import Adversarial, Stage


@flax.struct.dataclass
class Adversary:
    """Everything of the discriminator that a run needs to go on.

    Attributes:
      params: its parameters.
      stats: state of the spectral normalisation; empty without it.
      slots: state of its optimiser.
      averages: of the logits, for LeCam.
      skipped: updates of it that were skipped; int32.
    """

    params: trees.Tree
    stats: trees.Tree
    slots: Any
    averages: adversarial.Averages
    skipped: jax.Array

    @property
    def variables(self) -> trees.Tree:
        """What the module is applied to."""
        return {"params": self.params} | ({"batch_stats": self.stats} if self.stats else {})


def start(variables: trees.Tree, maps: int, stage: Stage) -> Adversary:
    """At the first step of a stage: parameters and statistics as given, everything else fresh."""
    optimizer = optimizers.direction(stage.adversarial.optimizer)
    return Adversary(
        params=variables["params"],
        stats=variables.get("batch_stats", {}),
        slots=optimizer.init(variables["params"]),
        averages=adversarial.Averages.start(maps),
        skipped=jnp.int32(0),
    )


def with_moved_stats(module: discriminators.Discriminator, adversary: Adversary, video: jax.Array):
    """One power iteration of the spectral normalisation, once per update."""
    if not adversary.stats:
        return adversary
    _, stats = discriminators.apply(module, adversary.variables, video, update_stats=True)
    return adversary.replace(stats=stats)


def _shown(settings: Adversarial, video: jax.Array, seen: jax.Array) -> jax.Array:
    return video if settings.see_withheld else adversarial.hide(video, seen)


def _where(settings: Adversarial, logits: adversarial.Maps, seen: jax.Array):
    return None if settings.see_withheld else adversarial.visible(logits, seen)


def generator_loss(
    module: discriminators.Discriminator, variables: trees.Tree, settings: Adversarial
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """What objective.py asks: (video, what was seen) to the generator's loss ``[B]``."""

    def loss(video, seen):
        logits = module.apply(variables, _shown(settings, video, seen))
        return adversarial.for_generator(settings.loss, logits, _where(settings, logits, seen))

    return loss


def gradient(
    module: discriminators.Discriminator,
    adversary: Adversary,
    settings: Adversarial,
    penalty: bool,
    cut: pixel_terms.Cut,
) -> tuple[trees.Tree, pixel_terms.Report, adversarial.Averages]:
    """Gradient of (1), report, and the means of this batch's logits."""
    real_video, fake_video = (_shown(settings, v, cut.seen) for v in (cut.target, cut.video))

    def loss(params):
        variables = adversary.variables | {"params": params}
        real, fake = (module.apply(variables, video) for video in (real_video, fake_video))
        where = _where(settings, real, cut.seen)
        total = jnp.mean(adversarial.for_discriminator(settings.loss, real, fake, where))
        values = {
            "discriminator": total,
            "discriminator/real": jnp.mean(adversarial.per_example(real, where)),
            "discriminator/fake": jnp.mean(adversarial.per_example(fake, where)),
            "discriminator/accuracy": jnp.mean(adversarial.accuracy(real, fake, where)),
        }
        if settings.lecam:
            values["lecam"] = jnp.mean(adversarial.lecam(real, fake, adversary.averages, where))
            total += settings.lecam * values["lecam"]
        if penalty:
            slopes = adversarial.r1(lambda video: module.apply(variables, video), real_video)
            values["r1"] = jnp.mean(slopes)
            total += settings.r1_every * settings.r1 * values["r1"]
        return total, (values, adversarial.Averages.of(real, fake, where))

    gradient, (values, means) = jax.grad(loss, has_aux=True)(adversary.params)
    return gradient, {name: (value, jnp.float32(1.0)) for name, value in values.items()}, means


def update(
    adversary: Adversary,
    stage: Stage,
    step: jax.Array,
    gradient: trees.Tree,
    means: adversarial.Averages,
    allowed: jax.Array,
) -> tuple[Adversary, pixel_terms.Report]:
    """One update; parameters, slots and averages keep their bits where it is not ``allowed``."""
    settings = stage.adversarial
    norm = optax.tree.norm(gradient)
    good = allowed & jnp.isfinite(norm)
    moved, slots, *_ = optimizers.update(
        settings.optimizer, stage.steps, step, gradient, adversary.slots, adversary.params
    )
    averages = adversary.averages.moved(means, settings.lecam_decay)
    new = adversary.replace(params=moved, slots=slots, averages=averages)
    new = jax.tree.map(lambda n, o: jnp.where(good, n, o), new, adversary)
    bad = 1 - good.astype(jnp.int32)
    one = jnp.float32(1.0)
    report = {
        "discriminator/gradient_norm": (norm, one),
        "discriminator/skipped": (bad.astype(jnp.float32), one),
    }
    return new.replace(skipped=adversary.skipped + bad), report
