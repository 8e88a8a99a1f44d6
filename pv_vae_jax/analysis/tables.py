"""Tables of findings in Markdown: a line for each model, the best bold, the second underlined.

Findings stand in one table only if their protocols and settings are equal (evaluation/protocol.py,
equation 1); for the others there is a table each, and a sentence that says what differs.
"""

import dataclasses
from collections.abc import Sequence

from pv_vae_jax.analysis.finding import Figure, Finding
from pv_vae_jax.core import markdown
from pv_vae_jax.evaluation import protocol
from pv_vae_jax.evaluation.tables import cell, grouped, places


def compared(findings: Sequence[Finding]) -> str:
    """A table for each analysis and protocol; findings without figures have none."""
    parts = []
    for name in dict.fromkeys(each.name for each in findings if each.figures):
        groups = grouped([each for each in findings if each.name == name], differences)
        for number, group in enumerate(groups):
            if number:
                told = "; ".join(differences(groups[0][0], group[0]))
                parts.append(f"Not to be compared with the first table of {name}: {told}.")
            parts.append(table(group))
    return "\n\n".join(parts)


def differences(one: Finding, other: Finding) -> list[str]:
    """In what protocol and settings of two findings differ."""
    return protocol.differences(one.protocol, other.protocol) + protocol.differences(
        one.settings, other.settings
    )


def table(findings: Sequence[Finding]) -> str:
    """Markdown of findings of one analysis and protocol: a title, a line for each model, notes."""
    names = list(dict.fromkeys(name for each in findings for name in each.figures))
    first = {name: next(e.figures[name] for e in findings if name in e.figures) for name in names}
    heads = ["model", "latent", *(first[name].title for name in names)]
    columns = [_column([each.figures.get(name) for each in findings]) for name in names]
    lines = []
    for each, *cells in zip(findings, *columns, strict=True):
        trained = "" if each.model.get("trained", True) else " (untrained)"
        lines.append([f"{each.model['label']}{trained}", each.model["spec"], *cells])
    return "\n\n".join([_title(findings[0]), markdown.table(heads, lines), *_notes(findings)])


def placed(figures: Sequence[Figure | None]) -> list[int | None]:
    """The places of the figures of a column, by their own direction."""
    better = next((figure.better for figure in figures if figure), "")
    return places([None if figure is None else figure.value for figure in figures], better)


def _column(figures: Sequence[Figure | None]) -> list[str]:
    return [
        "-" if figure is None else cell(dataclasses.asdict(figure), figure.digits, place)
        for figure, place in zip(figures, placed(figures), strict=True)
    ]


def _title(finding: Finding) -> str:
    used = finding.protocol
    known = {"name", "videos", "frames", "height", "width", "datasets"} <= set(used)
    if not known:
        return f"**{finding.name}**, {used.get('name', 'a protocol of its own')}"
    form = f"{used['frames']} x {used['height']} x {used['width']}"
    sets = " and ".join(used["datasets"])
    return f"**{finding.name}**, {used['name']}: {used['videos']} clips of {form} from {sets}"


def _notes(findings: Sequence[Finding]) -> list[str]:
    notes = []
    if any(figure.low is not None for each in findings for figure in each.figures.values()):
        notes.append("Brackets: 95% intervals, over source videos if not said otherwise.")
    for each in findings:
        told = [*each.notes]
        if each.refused:
            keys = list(each.refused)
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            told.append(f"{len(keys)} videos could not be used: {', '.join(keys[:3])}{more}.")
        notes += [f"{each.model['label']}: {note}" for note in told]
    return list(dict.fromkeys(notes))
