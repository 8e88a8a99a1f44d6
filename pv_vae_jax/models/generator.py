"""A loaded generator: a network, its parameters, and which latents it makes.

    z_norm ~ flow(network),     z_raw = z_norm std + mean,     video = decoder(z_raw)          (1)

A generator speaks the latents of one tokenizer.  ``latents.identity`` (identity.py) says whose:
what decides latents, not what decodes them, so a decoder that was fine-tuned later fits.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import trees
from pv_vae_jax.models import identity
from pv_vae_jax.models.latte import Latte
from pv_vae_jax.models.video_vae import VideoVAE


@dataclasses.dataclass(frozen=True)
class LatentForm:
    """Which latents a generator is trained on.

    Attributes:
      identity: of the video VAE that made them (identity.py).
      shape: ``(G, h, w, c)`` of a clip.
      classes: names of the labels by number; none where labels are numbers, or there are none.
      dtype: type in which they are cached; "" where they are computed from clips.
    """

    identity: dict[str, Any]
    shape: tuple[int, int, int, int]
    classes: tuple[str, ...] = ()
    dtype: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = dataclasses.asdict(self)
        return values | {"shape": list(self.shape), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LatentForm":
        """The inverse of :meth:`as_dict`."""
        found = values | {"shape": tuple(values["shape"]), "classes": tuple(values["classes"])}
        return cls(**found)


@dataclasses.dataclass(frozen=True)
class Velocity:
    """``(params, x [B, G, h, w, c], time [B], label [B] or None) -> v``; equal ones are one key."""

    module: Latte

    def __call__(
        self, params: trees.Tree, x: jax.Array, time: jax.Array, label: jax.Array | None
    ) -> jax.Array:
        """The velocity at ``x``, float32, of its shape."""
        return self.module.apply({"params": params}, x, time, label)


class Generator:
    """Equation (1) but for the flow (generation/sampler.py).

    Attributes:
      module: the network.
      params: its parameters.
      latents: which it makes.
      config: name and fields of the network, for export.
    """

    def __init__(
        self, module: Latte, params: trees.Tree, latents: LatentForm, config: dict[str, Any]
    ):
        if module.channels != latents.shape[-1]:
            raise ValueError(
                f"the generator makes {module.channels} channels, its latents have "
                f"{latents.shape[-1]}."
            )
        self.module, self.params = module, params
        self.latents, self.config = latents, config

    @property
    def mean(self) -> np.ndarray:
        """By which its latents are normalised, float32 ``[c]``."""
        return np.asarray(self.latents.identity["mean"], np.float32)

    @property
    def std(self) -> np.ndarray:
        """Likewise."""
        return np.asarray(self.latents.identity["std"], np.float32)

    @property
    def velocity(self) -> Velocity:
        """What a sampler integrates."""
        return Velocity(self.module)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return trees.count(self.params)

    @property
    def classes(self) -> int:
        """How many classes it knows; 0 for an unconditional one."""
        return self.module.classes

    def check(self, vae: VideoVAE) -> None:
        """Raises ValueError if the latents of a video VAE are not those that it makes."""
        identity.check(identity.identity(vae), self.latents.identity, "the generator's latents")

    def check_labels(self, labels: Any) -> None:
        """Raises ValueError for a label that is no class, or for labels without classes.

        Args:
          labels: integers ``[N]``, below 0 for none; or None.
        """
        if labels is None:
            return
        if not self.classes:
            raise ValueError("this generator is unconditional: it takes no labels.")
        wrong = [int(label) for label in labels if int(label) >= self.classes]
        if wrong:
            raise ValueError(
                f"the generator knows the classes 0 to {self.classes - 1}; got the label "
                f"{wrong[0]}."
            )

    def conditioned(self, labels: Any, count: int) -> jax.Array | None:
        """Labels as the network takes them: none are the null class; int32 ``[count]`` or None."""
        self.check_labels(labels)
        if not self.classes:
            return None
        return jnp.full(count, self.classes) if labels is None else jnp.asarray(labels, jnp.int32)
