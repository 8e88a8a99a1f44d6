"""Latte's named sizes, as plain typed fields, and the one function that builds a network of them.

                depth  width  heads   parameters (64 channels, patch 1, no classes)
    latte_xl       28   1152     16   674M
    latte_l        24   1024     16   457M
    latte_b        12    768     12   130M
    latte_s        12    384      6    33M
    latte_tiny      4    128      4   1.3M

The first four are those of the public Latte (github.com/Vchitect/Latte, models/latte.py), whose
"XL/2" has patch 2; the field ``patch`` is 1 here, as in arXiv 2605.02134.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from pv_vae_jax.core import fields as named_fields
from pv_vae_jax.core import trees
from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.models import latte_positions
from pv_vae_jax.models.latte import REMATS, Latte

_SHARED: dict[str, Any] = {
    "channels": 64,
    "patch": 1,
    "mlp_ratio": 4,
    "classes": 0,
    "positions": "sincos",
    "qk_norm": False,
    "dtype": "float32",
    "remat": "none",
    "scan": False,
}

SIZES: dict[str, dict[str, Any]] = {
    "latte_tiny": _SHARED | {"depth": 4, "width": 128, "heads": 4},
    "latte_s": _SHARED | {"depth": 12, "width": 384, "heads": 6},
    "latte_b": _SHARED | {"depth": 12, "width": 768, "heads": 12},
    "latte_l": _SHARED | {"depth": 24, "width": 1024, "heads": 16},
    "latte_xl": _SHARED | {"depth": 28, "width": 1152, "heads": 16},
}


def fields(name: str, **overrides: Any) -> dict[str, Any]:
    """All fields of a named size, with overrides.

    Raises:
      ValueError: no such size or no such field; the message lists those that exist.
    """
    return named_fields.named(SIZES, "size", name, overrides)


def _check(size: dict[str, Any]) -> None:
    compute_dtype(size["dtype"])
    known = {
        "positions": latte_positions.KINDS,
        "qk_norm": (True, False),
        "remat": REMATS,
        "scan": (True, False),
    }
    named_fields.check(size, known)
    least = {
        "channels": 1,
        "width": 1,
        "depth": 2,
        "heads": 1,
        "patch": 1,
        "classes": 0,
        "mlp_ratio": 1,
    }
    named_fields.at_least(size, least)
    width, heads, depth = size["width"], size["heads"], size["depth"]
    if depth % 2:
        raise ValueError(
            f"depth counts the blocks over space and over time, so it is even; got {depth}."
        )
    if width % heads:
        raise ValueError(f"a width of {width} does not divide into {heads} heads.")
    whole = width if size["positions"] == "sincos" else width // heads
    if whole % 4:
        what = "the width" if size["positions"] == "sincos" else "the width of a head"
        raise ValueError(f"{what} divides by 4, for the places of two axes; got {whole}.")


def build(name: str, **overrides: Any) -> Latte:
    """The network of a named size, with overrides of its fields.

    Raises:
      ValueError: as :func:`fields`, or a field's value does not fit.
    """
    size = fields(name, **overrides)
    _check(size)
    return Latte(**size)


def initial(module: Latte, key: jax.Array) -> trees.Tree:
    """Fresh parameters, to be called under jit; they are the same for latents of any shape."""
    latents = jnp.zeros((1, 1, module.patch, module.patch, module.channels))
    label = jnp.zeros(1, jnp.int32) if module.classes else None
    return module.init(key, latents, jnp.zeros(1), label)["params"]


def shapes(module: Latte) -> trees.Tree:
    """The parameters as shapes; allocates nothing."""
    return jax.eval_shape(functools.partial(initial, module), jax.random.key(0))
