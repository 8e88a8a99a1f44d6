"""What each public video VAE says of itself, and how it becomes a predictive one.

    baseline = encoder | decoder of its own, with the paddings of models/padding.py between   (1)

so that all answer to interface.py, stream, train predictively and are exported as PV-VAE is.  As
published a baseline pads with zeros, which have no parameters; ``padding="token"`` is the paper's.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import flax.linen as nn
import numpy as np

from pv_vae_jax.core import fields as named_fields
from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.interface import LatentSpec
from pv_vae_jax.models import identity, padding
from pv_vae_jax.models.pv_vae import PVVAE
from pv_vae_jax.zoo.torch_weights import Entry

Fields = Mapping[str, Any]

SHARED: dict[str, Any] = {
    "padding": "zeros",
    "padding_offsets": 16,
    "padding_grid": (16, 16),
    "pixel_padding": "zeros",
    "dtype": "float32",
    "remat": "none",
}


@dataclasses.dataclass(frozen=True)
class Baseline:
    """One public video VAE.

    Attributes:
      fields: of the published model, ``SHARED`` and its own; configs and exports hold them.
      build: the module of such fields, by keyword.
      mean: latent mean of the published weights, ``[c]``.
      std: latent standard deviation, ``[c]``.
      variants: others with published weights: the fields that differ, the mean and the standard
        deviation of all their channels.
      layouts: name of a published layout ("official", "diffusers") to the function of the fields
        that lists its tensors.
      ignored: regular expressions of names in its files that hold nothing of the model.
    """

    fields: dict[str, Any]
    build: Callable[..., PVVAE]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layouts: Mapping[str, Callable[[Fields], Iterable[Entry]]]
    ignored: tuple[str, ...] = ()
    variants: tuple[tuple[Fields, float, float], ...] = ()

    def statistics(self, fields: Fields) -> tuple[np.ndarray, np.ndarray]:
        """Latent mean and std ``[c]`` of the published weights of a model of such fields.

        0 and 1 where there are none: where a field that latents depend on is another one.
        """
        wanted = identity.of_latents(fields)
        if wanted == identity.of_latents(self.fields):
            return np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        ones = np.ones(fields["channels"], np.float32)
        for changes, mean, std in self.variants:
            if wanted == identity.of_latents({**self.fields, **changes}):
                return np.float32(mean) * ones, np.float32(std) * ones
        return 0 * ones, ones


def compose(
    encoder: nn.Module,
    decoder: nn.Module,
    spec: LatentSpec,
    fields: Fields,
    last_layer: str = "decoder/conv_out/kernel",
    remats: tuple[str, ...] = ("none", "block"),
) -> PVVAE:
    """Equation (1).

    Args:
      encoder: video ``[B, T, H, W, 3]`` to moments ``[B, G, h, w, 2c]``, float32.
      decoder: latents ``[B, G, h, w, c]`` to video, float32, not clamped.
      spec: what is true of them.
      fields: with those of ``SHARED``.
      last_layer: path of the parameter nearest to the pixels.
      remats: values that ``remat`` may have.

    Raises:
      ValueError: a kind of padding, a compute type or a ``remat`` that does not exist.
    """
    compute_dtype(fields["dtype"])
    kinds = {"padding": padding.KINDS, "pixel_padding": padding.PIXEL_KINDS, "remat": remats}
    named_fields.check(fields, kinds)
    return PVVAE(
        encoder=encoder,
        decoder=decoder,
        padding=padding.Padding(
            spec.channels,
            fields["padding"],
            fields["padding_offsets"],
            tuple(fields["padding_grid"]),
        ),
        pixel_padding=padding.PixelPadding(fields["pixel_padding"]),
        spec=spec,
        last_layer=last_layer,
    )
