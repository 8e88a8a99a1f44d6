"""Plain typed fields: named sets of them, overrides, and the values that a field may have."""

from collections.abc import Collection, Mapping
from typing import Any


def named(
    table: Mapping[str, Mapping[str, Any]], noun: str, name: str, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of ``table[name]`` with overrides.

    Raises:
      ValueError: no such name or no such field; the message lists those that exist.
    """
    if name not in table:
        raise ValueError(f"no {noun} is named {name!r}; there are: {', '.join(table)}.")
    known = table[name]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no field {', '.join(unknown)}; its fields are: {', '.join(known)}."
        )
    return dict(known) | dict(overrides)


def check(fields: Mapping[str, Any], known: Mapping[str, Collection[Any]]) -> None:
    """Raises ValueError for a field with a value that is not among those known for it."""
    for field, values in known.items():
        if fields[field] not in values:
            told = ", ".join(map(str, values))
            raise ValueError(f"{field} is one of {told}; got {fields[field]!r}.")
