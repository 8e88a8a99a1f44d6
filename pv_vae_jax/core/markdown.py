"""A table in Markdown."""

from collections.abc import Iterable, Sequence


def row(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def table(heads: Sequence[str], rows: Iterable[Iterable[str]] = ()) -> str:
    """Heads, the rule below them and the rows, without a newline at the end."""
    return "\n".join(map(row, [heads, ["---"] * len(heads), *rows]))
