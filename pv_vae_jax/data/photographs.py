"""The photographs that the scikit-image wheel ships, in two disjoint splits.

They are read as files of the installed package: nothing is imported from it or downloaded.
Sources and licences: ``skimage/data/README.txt`` of that package and its documentation.
"""

import functools
import importlib.util
import pathlib

import cv2
import numpy as np
import PIL.Image

SPLITS = {
    "train": (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "coins.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "page.png",
        "retina.jpg",
        "rocket.jpg",
    ),
    "held_out": ("chelsea.png", "coffee.png", "motorcycle_left.png"),
}


def names_of(split: str) -> tuple[str, ...]:
    """The photographs of a split.

    Raises:
      ValueError: neither "train" nor "held_out".
    """
    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}; got {split!r}.")
    return SPLITS[split]


@functools.cache
def photograph(name: str) -> np.ndarray:
    """One photograph in full size, uint8 ``[H, W, 3]``, RGB.

    Raises:
      FileNotFoundError: scikit-image is not installed, or ships no such photograph.
    """
    package = importlib.util.find_spec("skimage")
    if package is None:
        raise FileNotFoundError("rendered clips need scikit-image: pip install scikit-image.")
    path = pathlib.Path(package.origin).parent / "data" / name
    if not path.exists():
        raise FileNotFoundError(
            f"scikit-image ships no photograph {path}: pip install --force-reinstall scikit-image."
        )
    return np.asarray(PIL.Image.open(path).convert("RGB"))


@functools.lru_cache(maxsize=256)
def texture(name: str, side: int, seen: int = 0) -> np.ndarray:
    """A photograph resized so that its shorter side has ``side`` pixels.

    Args:
      name: of a split.
      side: in pixels.
      seen: pixels of the shorter side before, so that what is finer is gone; 0 for all.
    """
    pixels = texture(name, seen) if seen else photograph(name)
    ratio = side / min(pixels.shape[:2])
    size = (max(side, round(pixels.shape[1] * ratio)), max(side, round(pixels.shape[0] * ratio)))
    way = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, size, interpolation=way)
