"""Named sizes of PV-VAE, as plain typed fields, and the one function that builds a model of them.

pv_vae_{tiny,small,661m}                cnn_sizes.py
pv_vae_transformer_{tiny,small,1b}      transformer_sizes.py
pv_vae_hybrid_{tiny,small,661m}         hybrid_sizes.py
"""

from typing import Any

from pv_vae_jax.core import fields as named_fields
from pv_vae_jax.models import cnn_sizes, hybrid_sizes, transformer_sizes
from pv_vae_jax.models.pv_vae import PVVAE

_ARCHITECTURES = cnn_sizes, transformer_sizes, hybrid_sizes
SIZES: dict[str, dict[str, Any]] = {
    name: size for architecture in _ARCHITECTURES for name, size in architecture.SIZES.items()
}


def fields(name: str, **overrides: Any) -> dict[str, Any]:
    """All fields of a named size, with overrides.

    Raises:
      ValueError: no such size or no such field; the message lists those that exist.
    """
    return named_fields.named(SIZES, "size", name, overrides)


def build(name: str, **overrides: Any) -> PVVAE:
    """The model of a named size, with overrides of its fields.

    Raises:
      ValueError: as :func:`fields`, or a field's length or value does not fit.
    """
    size = fields(name, **overrides)
    (architecture,) = (each for each in _ARCHITECTURES if name in each.SIZES)
    return architecture.build(size)
