"""Photographs in motion: scene j of a split of the photographs, made on demand (data/rendered.py).

There is no end to the scenes; ``SCENES`` of them are the data set.  Split "held_out" ("" means it)
is of photographs that no VAE here is trained on.  Split "train" is of those that it is trained on,
in scenes that are not (from number ``UNSEEN``; training draws from those below): what the samples
of a generator are compared with.  A scene is made around its middle moment, so a longer clip of it
does not continue a shorter one.
"""

import numpy as np

from pv_vae_jax.data.rendered import Scene
from pv_vae_jax.evaluation.datasets.item import Item

SCENES = 4096
UNSEEN = 1_000_000  # data/sources.py: the scenes of training are below
SPLITS = ("", "held_out", "train")
SCHEME = "rendered://"


def items(split: str, folder: str | None) -> list[Item]:
    """The scenes of a split; no folder is needed."""
    first, kind = (UNSEEN, "train/") if split == "train" else (0, "")
    keys = [f"{kind}scene_{first + number:06d}" for number in range(SCENES)]
    place = f"{SCHEME}{kind or 'held_out/'}"
    return [Item(key, f"{place}{first + n}", source=key) for n, key in enumerate(keys)]


def video(item: Item, frames: int, stride: int, height: int, width: int) -> np.ndarray:
    """The scene of an item, uint8 ``[frames, height, width, 3]``."""
    split, number = item.path.removeprefix(SCHEME).split("/")
    return Scene.drawn(int(number), frames, height, width, split, stride).video()
