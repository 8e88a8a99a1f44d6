"""The text of a compiled program (HLO), read as computations of instructions.

    %name = TYPE opcode(%operand, ...), attribute=value, ...

Only what the counts of this folder need is read: types, operands, which computations an instruction
runs, and how often.  An asynchronous ``X-start`` is read as X, and ``X-done`` moves nothing; copies
stay as they are, and ``async-start`` runs what it calls.  A while loop runs ``known_trip_count``
times, or as its condition says: the constant that its counter, which JAX starts at 0, stays below.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator

_BITS = {"pred": 8, "bf16": 16, "token": 0, "opaque": 0}
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
_ARRAY = re.compile(r"([a-z]+[0-9]*[a-z0-9]*)\[([0-9,]*)\](\{[^}]*\})?")
_OPCODE = re.compile(r"\s*([a-z][\w\-]*)\(")
_CALLED = re.compile(
    r"\b(calls|to_apply|body|condition|true_computation|false_computation)=%?([\w.\-]+)"
)
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclasses.dataclass(frozen=True)
class Array:
    """An array of a type.

    Attributes:
      bytes: without the padding of a tiled layout.
      fast: whether it lies in a memory on the chip, not in its main memory.
    """

    bytes: int
    fast: bool = False


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line; ``parts`` are the elements of its type, each a flat tuple of arrays."""

    name: str
    opcode: str
    parts: tuple[tuple[Array, ...], ...]
    operands: tuple[str, ...]
    attributes: str
    root: bool

    @property
    def bytes(self) -> int:
        """Of the whole result."""
        return sum(array.bytes for part in self.parts for array in part)

    @functools.cached_property
    def called(self) -> dict[str, str]:
        """The computations it names, by attribute."""
        return dict(_CALLED.findall(self.attributes))

    @property
    def branches(self) -> list[str]:
        """The computations of a conditional."""
        found = _BRANCHES.search(self.attributes)
        if found:
            return [name.strip().lstrip("%") for name in found.group(1).split(",")]
        return [self.called["true_computation"], self.called["false_computation"]]


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program.

    Attributes:
      computations: instructions by name of the computation.
      entry: name of the computation that runs.
      devices: how many devices run it together.
    """

    computations: dict[str, tuple[Instruction, ...]]
    entry: str
    devices: int

    def trips(self, loop: Instruction) -> int:
        """How often the body of a while loop runs.

        Raises:
          ValueError: neither the loop nor its condition says so.
        """
        known = _TRIPS.search(loop.attributes)
        if known:
            return int(known.group(1))
        condition = self.computations[loop.called["condition"]]
        numbers = {
            int(found.group(1))
            for each in condition
            if each.opcode == "constant" and (found := re.match(r"(\d+)\)", each.attributes))
        }
        below = any("direction=LT" in each.attributes for each in self._inside(condition))
        if len(numbers) == 1 and below:
            return numbers.pop()
        raise ValueError(
            f"HLO: how often the loop {loop.name} runs is not in the program: it has no "
            f"known_trip_count, and its condition compares with {sorted(numbers) or 'no constant'}."
        )

    def _inside(self, computation: tuple[Instruction, ...]) -> Iterator[Instruction]:
        for each in computation:
            yield each
            if "calls" in each.called:
                yield from self._inside(self.computations[each.called["calls"]])


def parse(text: str) -> Program:
    """Of ``compiled.as_text()``.

    Raises:
      ValueError: the text has no entry computation.
    """
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        if current is None:
            head = _COMPUTATION.match(line)
            if head:
                current = computations.setdefault(head.group(2), [])
                entry = head.group(2) if head.group(1) else entry
        elif line.startswith("}"):
            current = None
        elif found := _INSTRUCTION.match(line):
            current.append(_instruction(*found.groups()))
    if not entry:
        raise ValueError("HLO: the text has no ENTRY computation; pass compiled.as_text().")
    head = text.split("\n", 1)[0]
    counts = [re.search(rf"{name}=(\d+)", head) for name in ("num_partitions", "replica_count")]
    devices = math.prod(int(found.group(1)) for found in counts if found)
    return Program({name: tuple(found) for name, found in computations.items()}, entry, devices)


def _instruction(root: str | None, name: str, rest: str) -> Instruction:
    if rest.startswith("("):
        end = _closing(rest, 0)
        elements, rest = _split(rest[1:end]), rest[end + 1 :]
    else:
        end = rest.index(" ")
        elements, rest = [rest[:end]], rest[end:]
    opcode = _OPCODE.match(rest)
    start = opcode.end() - 1
    end = _closing(rest, start)
    inside = rest[start + 1 : end]
    operands = tuple(re.findall(r"%([\w.\-]+)", inside))
    # between the brackets of a constant stands its value, of a parameter its number
    held = opcode.group(1) in ("constant", "parameter")
    attributes = inside + rest[end:] if held else rest[end + 1 :]
    parts = tuple(tuple(_arrays(element)) for element in elements)
    what, begins, _ = opcode.group(1).partition("-start")
    if begins and what not in ("copy", "async"):
        # The type is ((operands), result, ...); that of all-reduce the result alone.
        parts = parts if what == "all-reduce" else parts[1:2]
        return Instruction(name, what, parts, operands, attributes, bool(root))
    return Instruction(name, opcode.group(1), parts, operands, attributes, bool(root))


def _arrays(text: str) -> Iterator[Array]:
    for name, sizes, layout in _ARRAY.findall(text):
        width = re.search(r"\d+", name)
        bits = _BITS.get(name, int(width.group()) if width else 0)
        count = math.prod(int(size) for size in sizes.split(",") if size)
        yield Array(-(-count * bits // 8), re.search(r"S\([1-9]", layout or "") is not None)


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` closes."""
    depth = 0
    for place in range(start, len(text)):
        if text[place] == "(":
            depth += 1
        elif text[place] == ")":
            depth -= 1
            if not depth:
                return place
    raise ValueError(f"HLO: a bracket does not close in {text[:80]!r}.")


def _split(text: str) -> list[str]:
    """The elements of a tuple type."""
    elements, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            elements.append(text[start:place])
            start = place + 1
    return [*elements, text[start:]]
