"""The data sets that the evaluation protocols read, as items in the order of their keys.

    items(name, split, folder)                      which videos there are, or why one is missing
    clip(item, frames, stride, height, width)       the first frames of one, uint8
    state(item)                                     another one where its file is another one

What to get and where to put it: docs/datasets.md.
"""

from pv_vae_jax.evaluation.datasets import (
    film,
    kinetics,
    live_action,
    real_estate,
    rendered,
    shipped,
    ucf101,
)
from pv_vae_jax.evaluation.datasets.item import Item
from pv_vae_jax.evaluation.datasets.reading import FILTER, clip, state

__all__ = ["FILTER", "Item", "NAMES", "SPLITS", "clip", "items", "state"]

_SETS = {
    "kinetics400": kinetics,
    "ucf101": ucf101,
    "realestate10k": real_estate,
    "film": film,
    "shipped": shipped,
    "live_action": live_action,
    **rendered.SETS,
}
NAMES = tuple(_SETS)
SPLITS = {name: tuple(each.SPLITS) for name, each in _SETS.items()}


def items(name: str, split: str, folder: str | None) -> list[Item]:
    """The items of one split, sorted by key; what the list names and the folder lacks is there too.

    Args:
      name: one of ``NAMES``.
      split: one of ``SPLITS[name]``; a data set that has none there takes any.
      folder: where the data lies, a path or a URL; None for the place that the data set has of its
        own (film, shipped, live_action), and where it needs none (rendered).

    Raises:
      ValueError: another name or split, no folder where one is needed, or a list that cannot be
        read; a bad row is named by its line.
      FileNotFoundError: no such folder, or no list in it; the message says what to get.
    """
    if name not in _SETS:
        raise ValueError(f"there is no data set {name!r}; there are {', '.join(NAMES)}.")
    if SPLITS[name] and split not in SPLITS[name]:
        raise ValueError(f"{name} has the splits {', '.join(SPLITS[name])}; got {split!r}.")
    return sorted(_SETS[name].items(split, folder), key=lambda item: item.key)
