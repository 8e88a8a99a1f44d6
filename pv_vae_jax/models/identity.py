"""What decides the latents of a model: by it latents that were kept are told from others.

    identity = name | fields of the encoder | spec | sha256 of the encoder | mean, std       (1)

Decoding is no part of it: a decoder that was fine-tuned beside a generator decodes the same
latents.  Nor is what rounds alone (compute type, rematerialisation, loops), nor paddings, which
stand in for latents that nobody encoded.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from pv_vae_jax.core import trees
from pv_vae_jax.models.video_vae import VideoVAE

# Of the fields of all named models (zoo/registry.py) those that no latent depends on.
_OTHERS = re.compile(r"decoder_|padding|pixel_padding|dtype$|remat$|scan$|max_groups$")


def of_latents(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Of the fields of a named model those that its latents depend on, as JSON values."""
    found = {name: value for name, value in fields.items() if not _OTHERS.match(name)}
    return json.loads(json.dumps(found))


def identity(vae: VideoVAE) -> dict[str, Any]:
    """Equation (1), as JSON values.

    Returns:
      ``name`` and ``spec``, texts; ``fields``, by name; ``encoder``, the sha256 of every parameter
      under ``encoder/`` (path, shape, float32 bytes); ``mean`` and ``std``, lists of c numbers.
    """
    found = {
        "name": vae.config["name"],
        "fields": of_latents(vae.config["fields"]),
        "spec": str(vae.spec),
        "encoder": trees.digest(trees.partition(vae.params, "^encoder/")[0]),
        "mean": vae.mean.tolist(),
        "std": vae.std.tolist(),
    }
    return json.loads(json.dumps(found))


def check(wanted: dict[str, Any], found: dict[str, Any], what: str) -> None:
    """ValueError if latents are not those of a model; the sentence names the part that differs.

    Args:
      wanted: the identity of the model.
      found: that of the latents.
      what: which latents, to begin the sentence with.
    """
    differs = _difference(wanted, found)
    if differs:
        raise ValueError(
            f"{what} were made {differs}. Give the model that made them, or make latents of this "
            "one elsewhere."
        )


def _difference(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """The first part of equation (1) that differs, in words; "" for none."""
    if wanted["name"] != found["name"]:
        return f"by another model: {found['name']}, not {wanted['name']}"
    ours_all, theirs_all = (of_latents(each["fields"]) for each in (wanted, found))
    for name in sorted(ours_all.keys() | theirs_all.keys()):  # an older one may tell of more
        ours, theirs = ours_all.get(name), theirs_all.get(name)
        if ours != theirs:
            return f"by another {wanted['name']}: its {name} is {theirs}, not {ours}"
    if wanted["spec"] != found["spec"]:
        return f"by another {wanted['name']}: its latents are {found['spec']}, not {wanted['spec']}"
    if wanted["encoder"] != found["encoder"]:
        ours, theirs = wanted["encoder"][:12], found["encoder"][:12]
        return f"by other weights of the encoder (version {theirs}, not {ours})"
    for name in ("mean", "std"):
        pairs = zip(wanted[name], found[name], strict=True)
        other = [(c, ours, theirs) for c, (ours, theirs) in enumerate(pairs) if ours != theirs]
        if other:
            channel, ours, theirs = other[0]
            return (
                f"with other latent statistics: the {name} of {len(other)} of {len(wanted[name])} "
                f"channels, the first is channel {channel} with {theirs:.6g}, not {ours:.6g}"
            )
    return ""
