"""What the devices say to one another in one run of a compiled program.

Bytes that each device sends, by the algorithms that send the least, for a group of n devices:

    all-reduce            2 (n - 1) / n  |operand|                                          (1)
    reduce-scatter          (n - 1) / n  |operand|                                          (2)
    all-gather              (n - 1) / n  |result|                                           (3)
    all-to-all              (n - 1) / n  |operand|                                          (4)
    collective-permute                   |operand|                                          (5)

Of these, what a device's link out of its host carries, where m devices of the group are on each of
its hosts, and these are several:

    all-to-all, collective-permute       all of it;     others   1 / m of it              (6)

since a ring crosses between two hosts once, and the devices of a host share the work.

An asynchronous collective is counted where it starts; one in a loop as often as the loop runs; of
the branches of a conditional the one that sends most.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from pv_vae_jax.costs import hlo

KINDS = ("all-reduce", "reduce-scatter", "all-gather", "all-to-all", "collective-permute")
_OPCODES = {kind: kind for kind in KINDS} | {
    "ragged-all-to-all": "all-to-all",
    "collective-broadcast": "collective-permute",
}
_RUN_ONCE = ("call", "fusion", "async-start", "custom-call")


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Of one kind in groups of one size, by one device.

    Attributes:
      count: how often.
      operand: bytes of the operands.
      sent: bytes sent, equations (1) to (5).
      crossing: bytes over the device's link out of its host, equation (6).
    """

    count: int
    operand: int
    sent: float
    crossing: float = 0.0

    def plus(self, more: "Traffic", times: int = 1) -> "Traffic":
        """This, and ``times`` the other."""
        return Traffic(
            self.count + times * more.count,
            self.operand + times * more.operand,
            self.sent + times * more.sent,
            self.crossing + times * more.crossing,
        )


NOTHING = Traffic(0, 0, 0.0)

# by (kind, devices in a group)
Collectives = dict[tuple[str, int], Traffic]


def of(program: hlo.Program, hosts: Sequence[int] = ()) -> Collectives:
    """The collectives of one run; groups of one device are left out.

    Args:
      program: compiled.
      hosts: the host of each device, in the order of the program's mesh; none: all are joined by
        the same links.

    Raises:
      ValueError: a loop that holds one runs for a number of times that is not in the program.
    """
    return dict(sorted(_of_computation(program, program.entry, {}, hosts).items()))


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
        total[key] = total.get(key, NOTHING).plus(traffic, times)


def _of_computation(
    program: hlo.Program, name: str, known: dict[str, Collectives], hosts: Sequence[int]
) -> Collectives:
    if name in known:
        return known[name]
    total: Collectives = {}
    for each in program.computations[name]:
        if each.opcode in _OPCODES:
            _add(total, _of_instruction(program, name, each, hosts))
        elif each.opcode == "while":
            body = _of_computation(program, each.called["body"], known, hosts)
            if body:
                _add(total, body, program.trips(each))
        elif each.opcode == "conditional":
            branches = [_of_computation(program, branch, known, hosts) for branch in each.branches]
            _add(total, max(branches, key=sent))
        elif each.opcode in _RUN_ONCE:
            inside = each.called.get("to_apply" if each.opcode == "call" else "calls")
            if inside:
                _add(total, _of_computation(program, inside, known, hosts))
    known[name] = total
    return total


def _of_instruction(
    program: hlo.Program, computation: str, each: hlo.Instruction, hosts: Sequence[int]
) -> Collectives:
    kind = _OPCODES[each.opcode]
    group, on_a_host = _group(each.attributes, program.devices, hosts)
    if group == 1:
        return {}
    result = each.bytes
    if computation.startswith("all-reduce-scatter"):
        kind = "reduce-scatter"  # a TPU's: an all-reduce of which each device keeps a slice
        operand = result
    else:
        operand = {"all-gather": result // group, "reduce-scatter": result * group}.get(
            kind, result
        )
    share = (group - 1) / group
    factor = {"all-reduce": 2 * share, "all-gather": share * group, "collective-permute": 1.0}
    sent = factor.get(kind, share) * operand
    crossing = sent if kind in ("all-to-all", "collective-permute") else sent / on_a_host
    return {(kind, group): Traffic(1, operand, sent, crossing if on_a_host < group else 0.0)}


def _group(attributes: str, devices: int, hosts: Sequence[int]) -> tuple[int, int]:
    """Devices in a group, and how many of them are on one host; the first group stands for all."""
    pairs = re.search(r"source_target_pairs=\{((?:\{\d+,\d+\},?)*)\}", attributes)
    if pairs:
        told = [tuple(map(int, pair)) for pair in re.findall(r"(\d+),(\d+)", pairs.group(1))]
        moved = [(one, other) for one, other in told if one != other]
        inside = not hosts or all(hosts[one] == hosts[other] for one, other in moved)
        return (devices if moved else 1), (devices if inside else 1)
    members = _members(attributes, devices)
    several = {hosts[member] for member in members} if hosts else {0}
    return len(members), len(members) // len(several)


def _members(attributes: str, devices: int) -> list[int]:
    """The devices of the first group."""
    named = re.search(r"replica_groups=mesh\[([^\]]*)\]\s*(?:[^{]*)\{([^}]*)\}", attributes)
    if named:
        sizes = {axis: int(size) for axis, size in re.findall(r"'(\w+)'=(\d+)", named.group(1))}
        parts = {  # of an axis all of it, or (before) part
            axis: (int(before or 1), int(part or sizes[axis]))
            for axis, before, part in re.findall(r"'(\w+)'(?::\((\d+)\)(\d+))?", named.group(2))
        }
        form, taken = [], []
        for axis, size in sizes.items():
            before, part = parts.get(axis, (1, 1))
            form += [before, part, size // (before * part)]
            taken += [0, slice(None), 0]
        return np.arange(math.prod(form)).reshape(form)[tuple(taken)].ravel().tolist()
    numbered = re.search(
        r"replica_groups=\[(\d+),(\d+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", attributes
    )
    if numbered:
        form = [int(size) for size in numbered.group(3).split(",")]
        order = [int(axis) for axis in (numbered.group(4) or "").split(",") if axis]
        ids = np.arange(math.prod(form)).reshape(form)
        ids = ids.transpose(order) if order else ids
        return ids.reshape(int(numbered.group(1)), int(numbered.group(2)))[0].tolist()
    listed = re.search(r"replica_groups=\{\{([\d,]*)\}", attributes)
    return [int(each) for each in listed.group(1).split(",")] if listed else list(range(devices))


def by_kind(collectives: Collectives) -> dict[str, Traffic]:
    """Summed over the sizes of the groups."""
    found: dict[str, Traffic] = {}
    for (kind, _), traffic in collectives.items():
        found[kind] = found.get(kind, NOTHING).plus(traffic)
    return found
