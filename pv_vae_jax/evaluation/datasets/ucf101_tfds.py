"""UCF101 as TFDS prepares it: config ``ucf101_n`` is the n-th official split.

    key tfds_test_000123 = example 123 of the split "test", in the order of its files            (1)

TFDS keeps neither the names of the films nor their groups, so each example is a source of its own,
and labels are not read ahead (-1); its frames are JPEG, so pixels are not quite those of the films.
``ucf101_1_256`` is not taken: it squeezes 320x240 into a square.
"""

import functools
import re

import numpy as np

from pv_vae_jax.data import images, tfds_source
from pv_vae_jax.evaluation.datasets import spans
from pv_vae_jax.evaluation.datasets.item import Item

SCHEME = "tfds:"


def items(split: str, files: list[str]) -> list[Item]:
    """One item an example of a split of datasets/ucf101.py; none if no set for it is prepared."""
    config = f"ucf101_{1 if split == 'all' else int(split[-2:])}"
    infos = [f for f in files if re.search(rf"/{config}/[^/]+/dataset_info\.json$", f)]
    if not infos:
        return []
    folder, found = infos[-1].rsplit("/", 1)[0], []  # the newest version
    for part in ("train", "test") if split == "all" else (split[:-2],):
        for number in range(len(_opened(folder, part))):
            key = f"tfds_{part}_{number:06d}"
            found.append(Item(key, f"{SCHEME}{folder}#{part}/{number}", source=key))
    return found


@functools.lru_cache(maxsize=4)
def _opened(folder: str, split: str) -> tfds_source.TFDS:
    return tfds_source.TFDS(folder, split)


def pictures(item: Item, frames: int, stride: int) -> list[np.ndarray]:
    """The first frames of an example, uint8 ``[H, W, 3]`` each.

    Raises:
      ClipError: it is too short, or damaged.
    """
    folder, split, number = re.fullmatch(rf"{SCHEME}(.+)#(\w+)/(\d+)", item.path).groups()
    encoded, _, _ = _opened(folder, split).example(int(number))
    numbers = spans.first(item.key, np.arange(len(encoded)), frames, stride)
    return [images.read(bytes(encoded[n]), name=item.key) for n in numbers]
