"""Photographs in motion: scene j of a split of the photographs, made on demand (data/rendered.py).

There is no end to the scenes; ``SCENES`` of them are the data set.  Split "held_out" ("" means it)
is of photographs that no VAE here is trained on.  Split "train" is of those that it is trained on,
in scenes that are not (from number ``UNSEEN``; training draws from those below): what the samples
of a generator are compared with.  A scene is made around its middle moment, so a longer clip of it
does not continue a shorter one.
"""

import dataclasses

import numpy as np

from pv_vae_jax.data.rendered import Scene
from pv_vae_jax.evaluation.datasets.item import Item

SCENES = 4096
UNSEEN = 1_000_000  # data/sources.py: the scenes of training are below
SCHEME = "rendered://"


@dataclasses.dataclass(frozen=True)
class Scenes:
    """The data set of one world (data/rendered.py)."""

    world: str
    SPLITS = ("", "held_out", "train")

    def items(self, split: str, folder: str | None) -> list[Item]:
        """The scenes of a split; no folder is needed."""
        first, kind = (UNSEEN, "train/") if split == "train" else (0, "")
        keys = [f"{kind}scene_{first + number:06d}" for number in range(SCENES)]
        return [Item(key, f"{SCHEME}{self.world}/{key}", source=key) for key in keys]


SETS = {"rendered": Scenes("photographs"), "smooth": Scenes("smooth")}


def scene(path: str, frames: int, stride: int, height: int, width: int) -> Scene:
    """The scene of an item's path."""
    world, *kind, name = path.removeprefix(SCHEME).split("/")
    split = "train" if kind else "held_out"
    return Scene.drawn(int(name.split("_")[1]), frames, height, width, split, stride, world)


def video(item: Item, frames: int, stride: int, height: int, width: int) -> np.ndarray:
    """The frames of an item, uint8 ``[frames, height, width, 3]``."""
    return scene(item.path, frames, stride, height, width).video()
