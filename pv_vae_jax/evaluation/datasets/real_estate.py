"""RealEstate10K: text files of camera paths, each a span of a YouTube video that the user has.

    line 1                 the address of the video, https://www.youtube.com/watch?v=ID
    line 2 and those after timestamp [us], 6 of the camera, 12 of its pose                       (1)

An item is the span from the first time stamp to the last; the file is the video named by its id,
with any video extension, anywhere below the folder.

Source: Zhou et al., Stereo Magnification (arXiv 1805.09817).
"""

import urllib.parse

from pv_vae_jax.evaluation.datasets import item
from pv_vae_jax.evaluation.datasets.item import Item

SPLITS = ("train", "test")
WANTED = (
    "RealEstate10K is a folder with its text files (RealEstate10K/train/SEQUENCE.txt and "
    'RealEstate10K/test/SEQUENCE.txt, from the page "RealEstate10K" of Google) and your videos '
    "anywhere below it, named by their YouTube ids: ID.mp4 (docs/datasets.md)."
)


def items(split: str, folder: str | None) -> list[Item]:
    """One item a text file of the split.

    Raises:
      ValueError: a text file that is not like (1).
      FileNotFoundError: there is no folder, or no text file in it.
    """
    files = item.scan("realestate10k", folder, WANTED)
    texts = [f for f in files if f.endswith(".txt") and item.parent(f) == split]
    if not texts:
        raise FileNotFoundError(
            f"realestate10k {split}: no {split}/SEQUENCE.txt in the {len(files)} files of the "
            f"folder. {WANTED}"
        )
    videos: dict[str, str] = {}
    for file in item.videos(files):
        videos.setdefault(item.stem(file), file)
    return [_item(file, videos) for file in texts]


def _item(file: str, videos: dict[str, str]) -> Item:
    address, *rows = item.text(file).split("\n")
    name = _id(address.strip())
    if not name:
        raise ValueError(
            f"{file}, line 1: {address.strip()!r} is not the address of a YouTube video."
        )
    stamps = [row.split()[0] for row in rows if row.strip()]
    try:
        times = [int(stamp) / 1e6 for stamp in stamps]
    except ValueError as error:
        raise ValueError(f"{file}: a time stamp is not whole microseconds: {error}.") from error
    if len(times) < 2 or any(b <= a for a, b in zip(times, times[1:], strict=False)):
        raise ValueError(f"{file}: its {len(times)} time stamps are not two or more that increase.")
    path = videos.get(name, "")
    reason = "" if path else item.absent(name)
    return Item(item.stem(file), path, times[0], times[-1], reason=reason, source=name)


def _id(address: str) -> str:
    """The YouTube id of an address, "" if it has none."""
    parts = urllib.parse.urlsplit(address)
    if parts.netloc.removeprefix("www.") == "youtu.be":
        return parts.path.strip("/")
    if not parts.netloc.endswith("youtube.com"):
        return ""
    return urllib.parse.parse_qs(parts.query).get("v", [""])[0]
