"""A part of a report: tables, charts and films of one question, and how each was made."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pv_vae_jax.analysis.report_charts import Chart
from pv_vae_jax.analysis.report_films import Player
from pv_vae_jax.analysis.report_tables import Table


@dataclasses.dataclass(frozen=True)
class Made:
    """A command, and what it left: (label, date, path of the JSON file or "") each."""

    command: str
    files: tuple[tuple[str, str, str], ...]


@dataclasses.dataclass(frozen=True)
class Part:
    """A section of the page.

    Attributes:
      name: for links.
      title: its heading.
      text: what it shows.
      made: commands.
      protocol: (field, value) of what its first table was measured on.
      tables: of one or several protocols.
      folded: tables of the paper, behind a summary.
      charts: drawings.
      players: films.
      notes: sentences.
      refused: (model, video, reason).
    """

    name: str
    title: str
    text: str
    made: Sequence[Made]
    protocol: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    players: Sequence[Player] = ()
    notes: Sequence[str] = ()
    refused: Sequence[tuple[str, str, str]] = ()


def made(entries: Iterable[tuple[str, str, str, str]]) -> list[Made]:
    """(command, date, label, path) each; what one command left stands together."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for command, date, label, path in entries:
        found.setdefault(command, []).append((label, date, path))
    return [Made(command, tuple(files)) for command, files in found.items()]


def fields(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """(field, text) of nested values; empty ones are left out."""
    found = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += fields(value, f"{before}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            found += [(f"{before}{name}", text)] * bool(text)
    return found


def notes(labelled: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Each note once, with its models where not all have it."""
    found: dict[str, list[str]] = {}
    labels = []
    for label, told in labelled:
        labels.append(label)
        for note in told:
            found.setdefault(note, []).append(label)
    return [
        note if len(those) == len(labels) > 1 else f"{', '.join(those)}: {note}"
        for note, those in found.items()
    ]


def differences(groups: Sequence[Any], differ: Callable[[Any, Any], Sequence[str]]) -> list[str]:
    """In what the later tables were measured otherwise than the first."""
    return [
        f"Table {number} is not to be compared with the first: "
        f"{'; '.join(differ(groups[0][0], group[0]))}."
        for number, group in enumerate(groups[1:], 2)
    ]
