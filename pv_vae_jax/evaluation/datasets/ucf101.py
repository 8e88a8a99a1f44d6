"""UCF101: the official lists of a split, and the films found by name anywhere below the folder.

    ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi [1]   ->   key v_ApplyEyeMakeup_g01_c01
                                                           source ApplyEyeMakeup_g01         (1)

Films of one group (g01) of a class are cut from one video.  Labels are those of classInd.txt, from
0.  "all" is train01 and test01 together: every one of the 13,320 films is in one of them.  Upper
and lower case of a name are the same, as the archives write one class in two ways.  A set that TFDS
has prepared does as well (datasets/ucf101_tfds.py); the films go before it.

Source: Soomro et al., UCF101 (arXiv 1212.0402).
"""

import re

from pv_vae_jax.evaluation.datasets import item, ucf101_tfds
from pv_vae_jax.evaluation.datasets.item import Item

SPLITS = {
    **{f"{part}0{n}": (f"{part}list0{n}.txt",) for n in (1, 2, 3) for part in ("train", "test")},
    "all": ("trainlist01.txt", "testlist01.txt"),
}
CLASSES = "classInd.txt"
ROW = re.compile(r"([^/\s]+)/(v_\w+_(g\d+)_c\d+)\.avi( \d+)?")
WANTED = (
    "UCF101 is a folder with the films (UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi) and "
    "the official lists (ucfTrainTestlist/classInd.txt, trainlist01.txt, testlist01.txt), both "
    'from the page "UCF101" of the Center for Research in Computer Vision, University of Central '
    "Florida; or with ucf101/ucf101_1/2.0.0 as TFDS prepares it (docs/datasets.md)."
)


def items(split: str, folder: str | None) -> list[Item]:
    """One item a row of the lists of a split, or an example of TFDS.

    Raises:
      ValueError: a row that cannot be read, or whose class is not in classInd.txt.
      FileNotFoundError: there is no folder, or no list in it.
    """
    files = item.scan("ucf101", folder, WANTED)
    lists = {name: item.named(files, name) for name in (CLASSES, *SPLITS[split])}
    missing = [name for name, place in lists.items() if not place]
    if missing:
        prepared = ucf101_tfds.items(split, files)
        if prepared:
            return prepared
        raise FileNotFoundError(f"ucf101 {split}: the folder lacks {', '.join(missing)}. {WANTED}")
    labels = _labels(lists[CLASSES])
    films: dict[str, str] = {}
    for file in item.videos(files):  # sorted: an .avi goes before copies of it
        films.setdefault(item.stem(file).casefold(), file)
    found: dict[str, Item] = {}
    for name in SPLITS[split]:
        for one in _rows(lists[name], labels, films):
            found.setdefault(one.key, one)
    return list(found.values())


def _labels(file: str) -> dict[str, int]:
    """Name of a class to its number, from 0."""
    labels = {}
    for number, line in enumerate(item.text(file).splitlines(), start=1):
        row = re.fullmatch(r"(\d+) (\S+)", line.strip())
        if row:
            labels[row[2]] = int(row[1]) - 1
        elif line.strip():
            raise ValueError(f'{file}, line {number}: {line!r} is not like "1 ApplyEyeMakeup".')
    return labels


def _rows(file: str, labels: dict[str, int], films: dict[str, str]) -> list[Item]:
    rows = []
    for number, line in enumerate(item.text(file).splitlines(), start=1):
        if not line.strip():
            continue
        row = ROW.fullmatch(line.strip())
        if not row or row[1] not in labels:
            raise ValueError(
                f"{file}, line {number}: {line!r} is not like ApplyEyeMakeup/"
                f"v_ApplyEyeMakeup_g01_c01.avi, with a class of the {len(labels)} in {CLASSES}."
            )
        group, key, number_of_group = row[1], row[2], row[3]
        path = films.get(key.casefold(), "")
        reason = "" if path else item.absent(key)
        rows.append(
            Item(key, path, label=labels[group], reason=reason, source=f"{group}_{number_of_group}")
        )
    return rows
