"""The spans of ``shipped`` that a camera took: bikes and carphone_pristine.

What a model that was trained on a drawn film (film.py) makes of the other kind.  As there, the
source of a span is its shot.
"""

import dataclasses

from pv_vae_jax.evaluation.datasets import shipped
from pv_vae_jax.evaluation.datasets.item import Item

SPLITS = ()
DRAWN = "bigbuckbunny"


def items(split: str, folder: str | None) -> list[Item]:
    """As ``shipped.items``, arguments and errors too, without the drawn film."""
    found = [item for item in shipped.items(split, folder) if item.source != DRAWN]
    return [dataclasses.replace(item, source=_shot(item)) for item in found]


def _shot(item: Item) -> str:
    first = shipped.FILMS[item.source].shot(int(item.key[-6:]))
    return f"{item.source}_{first:06d}"
