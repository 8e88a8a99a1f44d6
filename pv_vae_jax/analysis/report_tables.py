"""Tables of a report as values: cells know their place among the others, and their interval.

    place 0: the best of ours in a column, printed bold; 1: the second, underlined
    a row of the paper stands below ours, and takes no place

Things stand in one table only if they were measured alike (evaluation/protocol.py, equation 1).
Numbers of a column have one number of digits, so that points stand below each other; the paper's
have theirs, and figure spaces after them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pv_vae_jax.analysis import tables
from pv_vae_jax.analysis.finding import Figure, Finding
from pv_vae_jax.evaluation import tables as result_tables

POINT, DIGIT = "\u2008", "\u2007"  # spaces as wide as a point and a digit
MINUS = "\u2212"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A number as text; ``interval`` and ``method`` are "" where it has none."""

    text: str
    place: int | None = None
    interval: str = ""
    method: str = ""


@dataclasses.dataclass(frozen=True)
class Line:
    """A row: of a model of ours, or of the paper."""

    label: str
    detail: str
    cells: Sequence[Cell]
    paper: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """Heads are (title, better); the first column is ``corner``."""

    caption: str
    heads: Sequence[tuple[str, str]]
    lines: Sequence[Line]
    corner: str = "model"


def column(figures: Sequence[Figure | None]) -> list[Cell]:
    """The cells of a column; equal values are equally good."""
    cells = []
    for figure, place in zip(figures, tables.placed(figures), strict=True):
        if figure is None:
            cells.append(Cell("–"))
            continue
        text, low, high = (
            "" if number is None else f"{number:.{figure.digits}f}".replace("-", MINUS)
            for number in (figure.value, figure.low, figure.high)
        )
        cells.append(Cell(text, place, f"[{low}, {high}]" if low else "", figure.method))
    return cells


def printed(value: float | None, digits: int) -> Cell:
    """A number of the paper in a column of ``digits``."""
    if value is None:
        return Cell("")
    text = f"{value:g}"
    after = len(text.partition(".")[2])
    pad = DIGIT * max(0, digits - after)
    return Cell(text + (POINT * (not after and digits > 0)) + pad)


def caption(used: Mapping[str, Any]) -> str:
    """The clips of a protocol in a few words; the name alone where it does not tell them."""
    if not {"frames", "height", "width"} <= set(used):
        return used.get("name", "")
    form = f"{used['frames']} × {used['height']} × {used['width']}"
    sets = " and ".join(used.get("datasets", ()))
    clips = f"{used['videos']:,} clips of {form}" if "videos" in used else f"clips of {form}"
    told = f"{used['name']}: {clips}{f' from {sets}' if sets else ''}"
    return f"{told}; {result_tables.reconstructed(used)}" if "through" in used else told


def about(model: Mapping[str, Any]) -> str:
    """A model in a few words: latent, size, how far it was trained."""
    parts = [model.get("spec", "")]
    if model.get("parameters"):
        parts.append(f"{model['parameters'] / 1e6:.3g} M")
    training = model.get("training") or {}
    if not model.get("trained", True):
        parts.append("untrained")
    elif "step" in training:
        parts.append(f"{training.get('stage', '')} step {training['step']:,}".strip())
    return " · ".join(part for part in parts if part)


def of_findings(findings: Sequence[Finding]) -> Table:
    """Of one analysis, protocol and settings."""
    names = list(dict.fromkeys(name for each in findings for name in each.figures))
    first = {name: next(e.figures[name] for e in findings if name in e.figures) for name in names}
    columns = [column([each.figures.get(name) for each in findings]) for name in names]
    lines = [
        Line(each.model["label"], about(each.model), [cells[i] for cells in columns])
        for i, each in enumerate(findings)
    ]
    for who in ("baseline", "PV-VAE"):
        printed_ = {
            name: (row[who], row["on"])
            for task in findings[0].values.values()
            if isinstance(task, Mapping)
            for name, row in task.get("paper", {}).items()
        }
        if printed_:
            cells = [printed(printed_.get(n, (None,))[0], first[n].digits) for n in names]
            where = ", ".join(dict.fromkeys(on for _, on in printed_.values()))
            lines.append(Line(f"the paper's {who}", f"on {where}", cells, paper=True))
    heads = [(first[name].title, first[name].better) for name in names]
    return Table(caption(findings[0].protocol), heads, lines)
