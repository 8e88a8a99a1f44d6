"""Kinetics-400: an official list, and the videos found by id and times anywhere below the folder.

    label, youtube_id, time_start, time_end, split[, is_cc]    ->    ID_000010_000020.mp4        (1)

A file of the name (1) is the cut already, so an item is a whole file; zeros before the times may be
missing, the extension is that of any video.  Where there are several, one in a folder whose name
begins with "replace" goes first: CVDF's replacements for damaged files have the same names.

Source: Kay et al., The Kinetics Human Action Video Dataset (arXiv 1705.06950).
"""

import csv
import io
import re

from pv_vae_jax.evaluation.datasets import item
from pv_vae_jax.evaluation.datasets.item import Item

SPLITS = {
    "train": ("train",),
    "val": ("val", "validate", "validation"),
    "validate": ("val", "validate", "validation"),
    "test": ("test",),
}
COLUMNS = ("youtube_id", "time_start", "time_end")
WANTED = (
    "Kinetics-400 is a folder with an official list (train.csv, val.csv or validate.csv, test.csv, "
    "with the columns label, youtube_id, time_start, time_end) and the videos anywhere below it, "
    "named ID_000010_000020.mp4. Lists and videos are on the page of the repository "
    "cvdfoundation/kinetics-dataset, lists alone on DeepMind's page of Kinetics "
    "(docs/datasets.md)."
)

Cut = tuple[str, int, int]  # YouTube id, first and last second there


def items(split: str, folder: str | None) -> list[Item]:
    """One item a row of the list, copies of a row once; a label is the place of its sorted name.

    Raises:
      ValueError: a row that cannot be read, or two lists that do not agree.
      FileNotFoundError: there is no folder, or no list in it.
    """
    files = item.scan("kinetics400", folder, WANTED)
    rows = _listed(files, split)
    names = sorted({name for name in rows.values() if name})
    labels = {name: number for number, name in enumerate(names)} | {"": -1}
    found = _found(files)
    return [_item(cut, labels[name], found.get(cut)) for cut, name in rows.items()]


def _item(cut: Cut, label: int, path: str | None) -> Item:
    key = f"{cut[0]}_{cut[1]:06d}_{cut[2]:06d}"
    reason = "" if path else item.absent(key)
    return Item(key, path or "", label=label, reason=reason, source=cut[0])


def _found(files: list[str]) -> dict[Cut, str]:
    """The file of each cut that there is."""
    found: dict[Cut, str] = {}
    videos = item.videos(files)
    for file in sorted(videos, key=lambda f: (not item.parent(f).startswith("replace"), f)):
        parts = re.fullmatch(r"(.+)_(\d+)_(\d+)", item.stem(file))
        if parts:
            found.setdefault((parts[1], int(parts[2]), int(parts[3])), file)
    return found


def _listed(files: list[str], split: str) -> dict[Cut, str]:
    """Cut to the name of its class ("" for none), of the one list of a split or its copies."""
    spelled = "|".join(SPLITS[split])
    pattern = re.compile(rf"((kinetics|k)[-_]?(400)?[-_])?({spelled})\.csv", re.IGNORECASE)
    lists = [file for file in files if pattern.fullmatch(file.rsplit("/", 1)[-1])]
    if not lists:
        names = ", ".join(f"{name}.csv" for name in SPLITS[split])
        raise FileNotFoundError(
            f"kinetics400 {split}: no list in the {len(files)} files of the folder; looked for "
            f"{names}. {WANTED}"
        )
    first, *others = (_read(file, split) for file in lists)
    for file, rows in zip(lists[1:], others, strict=True):
        if rows != first:
            raise ValueError(
                f"two lists of {split} do not agree: {lists[0]} has {len(first)} cuts, {file} has "
                f"{len(rows)}; keep that of Kinetics-400 alone in the folder."
            )
    return first


def _read(file: str, split: str) -> dict[Cut, str]:
    rows = csv.DictReader(io.StringIO(item.text(file), newline=""), skipinitialspace=True)
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(
            f"{file}, line 1: the header is {rows.fieldnames}; it lacks {', '.join(missing)}."
        )
    cuts: dict[Cut, str] = {}
    for row in rows:
        where = f"{file}, line {rows.line_num}"
        name, *times = (row[column] or "" for column in COLUMNS)
        try:
            start, end = (int(float(second)) for second in times)
        except (ValueError, OverflowError):
            raise ValueError(
                f"{where}: time_start and time_end are {times}, not seconds."
            ) from None
        if not name or start < 0 or end <= start:
            raise ValueError(f"{where}: {name!r} from {start} to {end} s is no cut of a video.")
        if (row.get("split") or split) not in SPLITS[split]:
            raise ValueError(f"{where}: the split is {row['split']}, in a list of {split}.")
        cuts.setdefault((name, start, end), row.get("label") or "")
    if not cuts:
        raise ValueError(f"{file} names no video.")
    return cuts
