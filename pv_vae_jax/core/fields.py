"""Plain typed fields: named sets of them, overrides, and the values that a field may have."""

from collections.abc import Collection, Mapping, Sequence
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


def check(
    fields: Mapping[str, Any], known: Mapping[str, Collection[Any]], prefix: str = ""
) -> None:
    """Raises ValueError for a field with a value that is not among those known for it.

    Args:
      fields: values by name; those that are not in ``known`` are not looked at.
      known: the values of each.
      prefix: what stands before the name in the message, such as ``"config.runtime."``.
    """
    for field, values in known.items():
        if fields[field] not in values:
            told = ", ".join(map(str, values))
            raise ValueError(f"{prefix}{field} is one of {told}; got {fields[field]!r}.")


def at_least(fields: Mapping[str, Any], least: Mapping[str, float], prefix: str = "") -> None:
    """Raises ValueError for a number, or one of several, below its ``least``; as :func:`check`."""
    for field, value in least.items():
        numbers = fields[field] if isinstance(fields[field], tuple | list) else (fields[field],)
        if not all(number >= value for number in numbers):  # nor is NaN
            raise ValueError(f"{prefix}{field} is at least {value}; got {fields[field]}.")


def within(fields: Mapping[str, Any], ranges: Mapping[str, str], prefix: str = "") -> None:
    """Raises ValueError for a field outside ``"[0, 1]"`` or ``"[0, 1)"``; as :func:`check`."""
    for field, told in ranges.items():
        if not 0 <= fields[field] <= 1 or (told.endswith(")") and fields[field] == 1):
            raise ValueError(f"{prefix}{field} is in {told}; got {fields[field]}.")


def by_name(given: Sequence[str], names: Sequence[str], flag: str) -> dict[str, str]:
    """``[NAME=]VALUE`` by name; a value without one is that of the only name there is.

    Args:
      given: the texts.
      names: that there are.
      flag: what the texts were given to, for the errors.

    Raises:
      ValueError: another name, or none where there are several.
    """
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            if len(names) != 1:
                raise ValueError(
                    f"{flag} is NAME=... here, NAME one of {', '.join(names)}: {text}."
                )
            name, value = names[0], text
        if name not in names:
            raise ValueError(f"{flag} {text}: {name} is none of {', '.join(names) or 'nothing'}.")
        found[name] = value
    return found
