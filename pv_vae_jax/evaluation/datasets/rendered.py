"""Photographs in motion: scene j of the held-out photographs, made on demand (data/rendered.py).

There is no end to the scenes; the first ``SCENES`` are the data set.  A scene is made around its
middle moment, so a longer clip of it does not continue a shorter one.
"""

import numpy as np

from pv_vae_jax.data.rendered import Scene
from pv_vae_jax.evaluation.datasets.item import Item

SCENES = 4096
SPLITS = ()
SCHEME = "rendered://"


def items(split: str, folder: str | None) -> list[Item]:
    """The scenes; there is no split, and no folder is needed."""
    keys = [f"scene_{number:06d}" for number in range(SCENES)]
    return [Item(key, f"{SCHEME}held_out/{n}", source=key) for n, key in enumerate(keys)]


def video(item: Item, frames: int, stride: int, height: int, width: int) -> np.ndarray:
    """The scene of an item, uint8 ``[frames, height, width, 3]``."""
    split, number = item.path.removeprefix(SCHEME).split("/")
    return Scene.drawn(int(number), frames, height, width, split, stride).video()
