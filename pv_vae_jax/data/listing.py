"""Which files there are, with their labels and captions: folders, files, and lists of both.

    a folder         all files of the right kind in it and below it
    .csv  .tsv       a header with the column path, and label, caption, group where there are any
    .jsonl           an object a line with the same keys
    any other text   one path a line; a line that begins with # is passed over

A path in a list is relative to the list.  Labels are whole numbers from 0, or names, which are
numbered in sorted order; an empty one is no label (-1).  With ``labels="folder"`` the label of a
file is the name of the folder that it lies in, as in UCF101; with ``labels="file"`` each file is a
class of its own, named by its path below the folder that all files have in common.  Files of one
group (scenes of a film) stay together where launch.prepare_data splits.  Every place may be a URL.
"""

import csv
import dataclasses
import io
import json
import logging
import os
import pathlib
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pv_vae_jax.core import storage
from pv_vae_jax.data.entry import Kind

COLUMNS = ("path", "label", "caption", "group")
LABELS = ("", "folder", "file")
NUMBER = re.compile(r"-?\d+", re.ASCII)
Places = str | os.PathLike | Sequence[str | os.PathLike]

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Item:
    """One file of a list.

    Attributes:
      path: absolute, or a URL.
      label: number of its class, or -1.
      caption: a text, or "".
      stat: what storage.stat says, where the listing of a URL told it.
      group: of those that belong together, or "".
    """

    path: str
    label: int = -1
    caption: str = ""
    stat: tuple[int, int] | None = None
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Listing:
    """Files in order, and the names of their classes by number; none where labels are numbers."""

    items: tuple[Item, ...]
    classes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Row:
    """A row as it is written; ``where`` names its file and line."""

    where: str
    path: str
    label: str = ""
    caption: str = ""
    group: str = ""
    stat: tuple[int, int] | None = None


def of(where: Places, kind: Kind, labels: str = "") -> Listing:
    """The files of a folder, a list, one file, or a sequence of paths.

    Args:
      where: one of these; paths or URLs.
      kind: of the files, by whose extensions they are looked for in folders.
      labels: "" for those of a list, "folder" or "file".

    Raises:
      FileNotFoundError: nothing is there, or a folder holds no such file.
      ValueError: a list that cannot be read; a bad row is named by its line.
    """
    if labels not in LABELS:
        raise ValueError(f'labels is "" (those of a list), "folder" or "file", got {labels!r}.')
    root, rows = "", []
    if not isinstance(where, str | os.PathLike):
        rows = [_Row("", storage.absolute(path)) for path in where]
    else:
        place = storage.absolute(os.path.expanduser(where))
        if storage.is_folder(place):
            root, rows = place, _of_folder(place, kind)
        elif not storage.exists(place):
            raise FileNotFoundError(
                f"no {kind.noun} folder, list or file at {place}; check the path."
            )
        elif _suffix(place) in kind.extensions:
            rows = [_Row("", place)]
        else:
            rows = _of_list(place, kind)
    if labels:
        rows = [_by_folder(row, root) for row in rows] if labels == "folder" else _by_file(rows)
        return _listing(rows, sorted({row.label for row in rows}))
    return _listing(rows, _names(rows))


def _suffix(path: str) -> str:
    return pathlib.PurePosixPath(path).suffix.lower()


def _of_folder(folder: str, kind: Kind) -> list[_Row]:
    files = storage.files_under(folder).items()
    rows = [_Row("", name, stat=stat) for name, stat in files if _suffix(name) in kind.extensions]
    if not rows:
        raise FileNotFoundError(
            f"the folder {folder} holds no {kind.noun}; extensions looked for: "
            f"{' '.join(sorted(kind.extensions))}."
        )
    return rows


def _of_list(place: str, kind: Kind) -> list[_Row]:
    try:
        text = storage.read(place).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place} is neither a {kind.noun} ({' '.join(sorted(kind.extensions))}) nor a "
            f"readable text file with one path a line: {error}."
        ) from error
    read = {".csv": _table, ".tsv": _table, ".jsonl": _objects}.get(_suffix(place), _lines)
    rows = [
        dataclasses.replace(row, path=storage.beside(place, row.path)) for row in read(place, text)
    ]
    if not rows:
        raise ValueError(f"the list {place} names no file; write one path a line.")
    return rows


def _lines(place: str, text: str) -> Iterator[_Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.strip().startswith("#"):
            yield _Row(f"{place}, line {number}", line.strip())


def _table(place: str, text: str) -> Iterator[_Row]:
    delimiter = "\t" if _suffix(place) == ".tsv" else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from _cells(place, rows)
    except csv.Error as error:
        raise ValueError(
            f"{place}, up to line {rows.line_num}: a quote is not closed, or closes within a text "
            f"({error}); write a quote within quotes twice."
        ) from error


def _cells(place: str, rows: Any) -> Iterator[_Row]:
    header = [name.strip() for name in next(rows, [])]
    if "path" not in header:
        raise ValueError(
            f"{place}, line 1: the header is {header}; it needs a column path, and may have "
            "label, caption and group."
        )
    _name_surplus(place, set(header) - set(COLUMNS), "column")
    for cells in rows:
        where = f"{place}, line {rows.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise ValueError(
                f"{where}: {len(cells)} cells where the header has {len(header)}; put texts with "
                'a separator between quotes: "so, for example".'
            )
        found = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        yield _row(where, {key: found[key] for key in COLUMNS if key in found})


def _objects(place: str, text: str) -> Iterator[_Row]:
    surplus: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{place}, line {number}"
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{where} is not JSON ({error}).") from error
        if not isinstance(found, dict):
            raise ValueError(f'{where} is no object; write {{"path": "a.mp4", "label": "name"}}.')
        surplus |= set(found) - set(COLUMNS)
        kinds_of = {"path": str, "caption": str, "label": str | int, "group": str | int}
        for key, kinds in kinds_of.items():
            value = found.get(key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
                wanted = "a text" if kinds is str else "a text or a whole number"
                raise ValueError(f"{where}: {key} is {value!r}; it is {wanted}.")
        kept = {key: found[key] for key in COLUMNS if found.get(key) is not None}
        yield _row(where, {key: str(value) for key, value in kept.items()})
    _name_surplus(place, surplus, "key")


def _row(where: str, found: dict[str, str]) -> _Row:
    if not found.get("path"):
        raise ValueError(f"{where} has no path: name a file, relative to the list or absolute.")
    return _Row(where, **found)


def _name_surplus(place: str, names: Collection[str], what: str) -> None:
    if names:
        log.warning("%s: the %ss %s are not used.", place, what, ", ".join(sorted(names)))


def _by_folder(row: _Row, root: str) -> _Row:
    folder = row.path.rsplit("/", 1)[0]
    if root and folder == root.rstrip("/"):
        raise ValueError(
            f'{row.path} lies directly in {root}: with labels = "folder" each file is in a folder '
            "that has the name of its class."
        )
    return dataclasses.replace(row, label=folder.rsplit("/", 1)[-1])


def _by_file(rows: Sequence[_Row]) -> list[_Row]:
    common = os.path.commonprefix([row.path.split("/")[:-1] for row in rows])
    return [
        dataclasses.replace(row, label="/".join(row.path.split("/")[len(common) :])) for row in rows
    ]


def _names(rows: Sequence[_Row]) -> list[str]:
    """The names of classes in order, or none where all labels are numbers."""
    named = [row for row in rows if row.label and not NUMBER.fullmatch(row.label)]
    counted = [row for row in rows if NUMBER.fullmatch(row.label)]
    if named and counted:
        raise ValueError(
            f"{counted[0].where}: the label {counted[0].label} is a number, but {named[0].label!r} "
            "is a name; write all labels of a list as numbers, or all as names."
        )
    return sorted({row.label for row in named})


def _listing(rows: Sequence[_Row], classes: Sequence[str]) -> Listing:
    number_of, items = {name: number for number, name in enumerate(classes)}, []
    for row in rows:
        label = number_of[row.label] if classes and row.label else int(row.label or -1)
        if not -1 <= label < 2**31:
            raise ValueError(
                f"{row.where}: the label {label} is not a number from 0 to {2**31 - 1}."
            )
        items.append(Item(row.path, label, row.caption, row.stat, row.group))
    return Listing(tuple(items), tuple(classes))
