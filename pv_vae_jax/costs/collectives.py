"""What the devices say to one another in one run of a compiled program.

Bytes that each device sends, by the algorithms that send the least, for a group of n devices:

    all-reduce            2 (n - 1) / n  |operand|                                          (1)
    reduce-scatter          (n - 1) / n  |operand|                                          (2)
    all-gather              (n - 1) / n  |result|                                           (3)
    all-to-all              (n - 1) / n  |operand|                                          (4)
    collective-permute                   |operand|                                          (5)

An asynchronous collective is counted where it starts; one in a loop as often as the loop runs; of
the branches of a conditional the one that sends most.
"""

import collections
import dataclasses
import math
import re
from typing import Any

from pv_vae_jax.costs import hlo

KINDS = ("all-reduce", "reduce-scatter", "all-gather", "all-to-all", "collective-permute")
_OPCODES = {kind: kind for kind in KINDS} | {
    "all-reduce-start": "all-reduce",
    "all-gather-start": "all-gather",
    "collective-permute-start": "collective-permute",
    "ragged-all-to-all": "all-to-all",
    "collective-broadcast": "collective-permute",
}
_WITH_OPERAND = ("all-gather-start", "collective-permute-start")  # type: (operand, result, ...)
_RUN_ONCE = ("call", "fusion", "async-start", "custom-call")


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Of one kind in groups of one size, by one device.

    Attributes:
      count: how often.
      operand: bytes of the operands.
      sent: bytes sent, equations (1) to (5).
    """

    count: int
    operand: int
    sent: float


# by (kind, devices in a group)
Collectives = dict[tuple[str, int], Traffic]


def of(program: hlo.Program) -> Collectives:
    """The collectives of one run; groups of one device are left out.

    Raises:
      ValueError: a loop that holds one runs for a number of times that is not in the program.
    """
    return dict(sorted(_of_computation(program, program.entry, {}).items()))


def table(collectives: Collectives) -> list[dict[str, Any]]:
    """Rows of plain values, for JSON."""
    return [
        {"kind": kind, "group": group} | dataclasses.asdict(traffic)
        for (kind, group), traffic in collectives.items()
    ]


def sent(collectives: Collectives) -> float:
    """Bytes that one device sends."""
    return sum(traffic.sent for traffic in collectives.values())


def _add(total: Collectives, more: Collectives, times: int = 1) -> None:
    for key, traffic in more.items():
        old = total.get(key, Traffic(0, 0, 0.0))
        total[key] = Traffic(
            old.count + times * traffic.count,
            old.operand + times * traffic.operand,
            old.sent + times * traffic.sent,
        )


def _of_computation(program: hlo.Program, name: str, known: dict[str, Collectives]) -> Collectives:
    if name in known:
        return known[name]
    total: Collectives = {}
    for each in program.computations[name]:
        if each.opcode in _OPCODES:
            _add(total, _of_instruction(program, name, each))
        elif each.opcode == "while":
            body = _of_computation(program, each.called["body"], known)
            if body:
                _add(total, body, program.trips(each))
        elif each.opcode == "conditional":
            branches = [_of_computation(program, branch, known) for branch in each.branches]
            _add(total, max(branches, key=sent))
        elif each.opcode in _RUN_ONCE:
            inside = each.called.get("to_apply" if each.opcode == "call" else "calls")
            if inside:
                _add(total, _of_computation(program, inside, known))
    known[name] = total
    return total


def _of_instruction(program: hlo.Program, computation: str, each: hlo.Instruction) -> Collectives:
    kind = _OPCODES[each.opcode]
    group = _group(each.attributes, program.devices)
    if group == 1:
        return {}
    parts = each.parts[1:2] if each.opcode in _WITH_OPERAND else each.parts
    result = sum(array.bytes for part in parts for array in part)
    if computation.startswith("all-reduce-scatter"):
        kind = "reduce-scatter"  # a TPU's: an all-reduce of which each device keeps a slice
        operand = result
    else:
        operand = {"all-gather": result // group, "reduce-scatter": result * group}.get(
            kind, result
        )
    share = (group - 1) / group
    factor = {"all-reduce": 2 * share, "all-gather": share * group, "collective-permute": 1.0}
    return {(kind, group): Traffic(1, operand, factor.get(kind, share) * operand)}


def _group(attributes: str, devices: int) -> int:
    """Devices in a group."""
    if "source_target_pairs=" in attributes:
        pairs = re.search(r"source_target_pairs=\{((?:\{\d+,\d+\},?)*)\}", attributes).group(1)
        moved = [pair for pair in re.findall(r"(\d+),(\d+)", pairs) if pair[0] != pair[1]]
        return devices if moved else 1
    named = re.search(r"replica_groups=mesh\[([^\]]*)\]\s*(?:[^{]*)\{([^}]*)\}", attributes)
    if named:
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", named.group(1)))
        axes = re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", named.group(2))
        return math.prod(int(part or sizes[axis]) for axis, part in axes)
    numbered = re.search(r"replica_groups=\[(\d+),(\d+)\]<=", attributes)
    if numbered:
        return int(numbered.group(2))
    listed = re.search(r"replica_groups=\{\{([\d,]*)\}", attributes)
    return len(listed.group(1).split(",")) if listed else devices


def by_kind(collectives: Collectives) -> dict[str, Traffic]:
    """Summed over the sizes of the groups."""
    found: dict[str, Traffic] = collections.OrderedDict()
    for (kind, _), traffic in collectives.items():
        old = found.get(kind, Traffic(0, 0, 0.0))
        found[kind] = Traffic(
            old.count + traffic.count, old.operand + traffic.operand, old.sent + traffic.sent
        )
    return found
