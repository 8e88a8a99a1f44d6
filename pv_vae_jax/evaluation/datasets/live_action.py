"""The spans of ``shipped`` that a camera took: bikes and carphone_pristine.

What a model that was trained on a drawn film (film.py) makes of the other kind.
"""

from pv_vae_jax.evaluation.datasets import shipped
from pv_vae_jax.evaluation.datasets.item import Item

SPLITS = ()
DRAWN = "bigbuckbunny"


def items(split: str, folder: str | None) -> list[Item]:
    """As ``shipped.items``, arguments and errors too, without the drawn film."""
    return [item for item in shipped.items(split, folder) if item.source != DRAWN]
