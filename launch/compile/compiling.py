"""Compiles a program with a line of progress, and reads the compiler's refusals."""

import dataclasses
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax

EFFORTS = ("default", "-1")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class TooLarge:
    """The compiler's refusal of a program that does not fit; bytes on one device."""

    needed: int
    available: int


def watched(what: str, function: Callable[[], Result], every: float = 10.0) -> Result:
    """``function()`` while a thread says on stderr how long it has been at it."""
    done, begin = threading.Event(), time.perf_counter()

    def say():
        while not done.wait(every):
            print(f"{what} ... {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        return function()
    finally:
        done.set()
        thread.join()
        spent = time.perf_counter() - begin
        print(f"{what}: {spent:.1f} s", file=sys.stderr, flush=True)


def options(effort: str) -> dict[str, Any]:
    """The compiler's options."""
    return {} if effort == "default" else {"exec_time_optimization_effort": float(effort)}


def compiled(lowered: jax.stages.Lowered, effort: str) -> jax.stages.Compiled | TooLarge:
    """The compiled program, or by how much it is too large.

    Raises:
      ValueError: the compiler refuses for another reason.
    """
    try:
        return lowered.compile(compiler_options=options(effort))
    except jax.errors.JaxRuntimeError as error:
        too_large = _too_large(str(error))
        if too_large is None:
            raise ValueError(f"the compiler refuses: {' '.join(str(error).split())}") from error
        return too_large


def _too_large(said: str) -> TooLarge | None:
    if "RESOURCE_EXHAUSTED" not in said:
        return None
    amount = r"\(?([\d.]+)([KMGT]?)i?B?\)?"
    needed = re.search(rf"(?:temporaries|Used|required\D*?|arguments) {amount}", said)
    available = re.search(rf"(?:available HBM|of) {amount}", said)
    if not needed or not available:
        return None
    return TooLarge(*(int(float(n) * _UNITS[unit]) for n, unit in
                      (needed.groups(), available.groups())))  # fmt: skip
