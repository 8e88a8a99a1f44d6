"""Bytes that a compiled program moves between a chip and its memory, by one device.

    sum over instructions that run: bytes of the operands + bytes of the result             (1)

A fusion is one instruction: what it keeps inside costs nothing.  An operand of which only slices
are read counts as those slices; an update in place counts as the update, twice.  What lies in a
memory on the chip counts nothing.  A loop's body counts as often as the loop runs.  (1) is the
program's own text, so it exists on every platform; XLA's ``bytes accessed`` counts the body of a
loop once, and is not given for GPUs.  Inside a custom call nothing is seen but operands and result.
"""

from pv_vae_jax.costs import hlo

# These move nothing: they name, or end, or belong to another instruction.
_FREE = frozenset(
    "parameter constant tuple get-tuple-element bitcast after-all partition-id replica-id iota "
    "opt-barrier add-dependency domain".split()
)
_ENDS = ("-done", "async-update")  # of what was counted where it started
_SLICES = ("dynamic-slice", "slice", "gather")


def of(program: hlo.Program) -> int:
    """Equation (1).

    Raises:
      ValueError: a loop runs for a number of times that is not in the program.
    """
    return _of_computation(program, program.entry, {})


def _slow(arrays: tuple[hlo.Array, ...]) -> int:
    return sum(array.bytes for array in arrays if not array.fast)


def _result(each: hlo.Instruction) -> int:
    return sum(_slow(part) for part in each.parts)


def _of_computation(program: hlo.Program, name: str, known: dict[str, int]) -> int:
    if name not in known:
        instructions = {each.name: each for each in program.computations[name]}
        known[name] = sum(
            _of_instruction(program, each, instructions, known) for each in instructions.values()
        )
    return known[name]


def _of_instruction(
    program: hlo.Program,
    each: hlo.Instruction,
    instructions: dict[str, hlo.Instruction],
    known: dict[str, int],
) -> int:
    def inside(name: str) -> int:
        return _of_computation(program, name, known)

    if each.opcode in _FREE or each.opcode.endswith(_ENDS):
        return 0
    if each.opcode == "while":
        body = inside(each.called["body"])
        return body * program.trips(each) if body else 0
    if each.opcode == "conditional":
        return max(map(inside, each.branches))
    if each.opcode == "call":
        return inside(each.called["to_apply"])
    if each.opcode == "async-start":
        return inside(each.called["calls"])
    if each.opcode == "copy-start":
        return sum(_slow(part) for part in each.parts[:2])  # (one end, the other end, ...)
    operands = [_result(instructions[name]) for name in each.operands if name in instructions]
    if each.opcode in _SLICES:
        return 2 * _result(each)
    if each.opcode == "dynamic-update-slice":
        return 2 * operands[1]
    if each.opcode == "fusion":
        return _of_fusion(program.computations[each.called["calls"]], each, operands)
    return sum(operands) + _result(each)


def _of_fusion(
    computation: tuple[hlo.Instruction, ...], each: hlo.Instruction, operands: list[int]
) -> int:
    found = {one.name: one for one in computation}
    users: dict[str, list[tuple[hlo.Instruction, int]]] = {}
    for one in computation:
        for place, name in enumerate(one.operands):
            users.setdefault(name, []).append((one, place))
    updates = [one for one in computation if one.opcode == "dynamic-update-slice"]
    # An updated buffer is read and written only where it is updated.
    saved = sum(max(0, _result(one) - _result(found[one.operands[1]])) for one in updates)
    total = max(0, _result(each) - (saved if updates else 0))
    parameters = [one for one in computation if one.opcode == "parameter"]
    for one in parameters:
        number = int(one.attributes.split(")")[0])
        size = operands[number] if number < len(operands) else 0
        read = users.get(one.name, [])
        if read and all(_reads_part(user, place) for user, place in read):
            parts = (0 if user.opcode == "dynamic-update-slice" else _result(user)
                     for user, _ in read)  # fmt: skip
            size = min(size, sum(parts))
        total += size
    return total


def _reads_part(user: hlo.Instruction, place: int) -> bool:
    return place == 0 and user.opcode in (*_SLICES, "dynamic-update-slice")
