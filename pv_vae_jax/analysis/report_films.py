"""Films of a report: which play in step, a row for each model, a column for each kind.

    clips (one is shown) -> rows (models) -> cells (original, reconstruction, prediction, ...)

Models share a player where their films are of one protocol and rate.  A film that cannot be decoded
is an empty cell with a reason.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tqdm

from pv_vae_jax.analysis import report_tables, showing
from pv_vae_jax.analysis.report_media import Film, Media
from pv_vae_jax.analysis.report_sources import Source
from pv_vae_jax.core import storage
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation import protocol
from pv_vae_jax.evaluation.tables import grouped

TITLES = {"pca": "principal components", "flow": "optical flow"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """A film of a kind, or why there is none."""

    title: str
    film: Film | None
    reason: str = ""
    predicted: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """The films of a model.

    Attributes:
      label: of the model.
      observed: the first frame that its prediction did not see.
      cells: its films.
      strip: the same as a picture, "" if there is none.
    """

    label: str
    observed: int
    cells: Sequence[Cell]
    strip: str


@dataclasses.dataclass(frozen=True)
class Player:
    """Films that play in step: clips by key, each with its rows."""

    frames: int
    rate: float
    caption: str
    clips: dict[str, list[Row]]

    @property
    def kinds(self) -> int:
        """The most films beside each other."""
        return max(len(row.cells) for rows in self.clips.values() for row in rows)


def players(sources: Sequence[Source], media: Media) -> list[Player]:
    """The players of findings "videos".

    Args:
      sources: of findings.
      media: of the page.
    """
    made = []
    count = sum(len(each) for source in sources for each in source.made.media.values())
    with tqdm.tqdm(total=count, desc="films", unit="file", disable=None) as bar:
        for group in grouped(sources, _differ):
            first, clips = group[0].made, {}
            for source in group:
                for key, names in source.made.media.items():
                    clips.setdefault(key, []).append(_row(source, names, media))
                    bar.update(len(names))
            if clips:
                caption = report_tables.caption(first.protocol)
                made.append(Player(first.values["frames"], first.values["rate"], caption, clips))
    return made


def _differ(one: Source, other: Source) -> bool:
    same = all(one.made.values[name] == other.made.values[name] for name in ("rate", "frames"))
    return not same or bool(protocol.differences(one.made.protocol, other.made.protocol))


def _row(source: Source, names: dict[str, str], media: Media) -> Row:
    values, cells, strip = source.made.values, [], ""
    for kind in [*showing.KINDS, *(name for name in names if name not in showing.KINDS)]:
        if kind not in names:
            continue
        path: Any = storage.path(source.folder) / names[kind]
        if kind == "strip":
            strip = media.picture(path) if storage.exists(path) else ""
            continue
        title = TITLES.get(kind, kind)
        try:
            film = media.film(path)
            if film.frames != values["frames"]:
                told = f"{film.frames} frames where {values['frames']} were written"
                raise ClipError(str(path), told)
            cells.append(Cell(title, film, predicted=kind == "prediction"))
        except ClipError as error:
            cells.append(Cell(title, None, error.reason))
    return Row(source.label, values["observed"], cells, strip)


def refused(made: Sequence[Player]) -> list[tuple[str, str, str]]:
    """(model, video, reason) of all films that could not be decoded."""
    return [
        (row.label, f"{key}, {cell.title}", cell.reason)
        for player in made
        for key, rows in player.clips.items()
        for row in rows
        for cell in row.cells
        if cell.film is None
    ]
