"""FLOPs of a program, by one walk over its jaxpr.

    matmul        2 |result| K,   K the product of the contracted sizes                     (1)
    convolution   2 N O C prod_d pairs_d                                                    (2)
    pairs_d       how many (output place, tap) of dimension d meet a value of the input     (3)

(3) leaves out padding and the holes of a dilated input, as XLA's own count does, so the gradients
by input and by kernel cost what the forward pass costs, whatever stride, padding and dilation.

A scan counts ``length`` times, a ``shard_map`` once for each device, a ``cond`` as its dearest
branch, a choice by platform (``lax.platform_dependent``) as the branch of the platform asked for.
What is computed again for the backward pass (``jax.checkpoint``) belongs to the hardware's FLOPs
and not to the model's; the value of a checkpointed function must be used for that (else its only
forward pass is the second).  Elementwise work and reductions are not counted.  Results that nothing
uses cost nothing.
"""

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend import core
from jax.interpreters import partial_eval

# Calls whose work is not in the jaxpr.
_CLOSED = ("pallas_call", "ffi_call", "pure_callback", "io_callback", "xla_call_module")
_AGAIN = "rematted_computation"  # how JAX names what it computes again
# Attention by cuDNN: products of queries and keys or the like, and how many of them again.
_ATTENTION = {
    "dot_product_attention_fwd_wrapper": (2, 0),
    "dot_product_attention_bwd_wrapper": (5, 1),
}

# (arithmetic, again): arithmetic is "bfloat16" or the like, "float32", "float32 highest".
Tally = collections.Counter[tuple[str, bool]]


@dataclasses.dataclass(frozen=True)
class Flops:
    """FLOPs of one call on all devices together.

    Attributes:
      model: what the method asks for.
      hardware: with what is computed again.
      by_arithmetic: ``hardware`` by the type of the operands; "float32 highest" is float32 of which
        more than the accelerator's default precision is asked.
    """

    model: int
    hardware: int
    by_arithmetic: dict[str, int]


def of(function: Callable, *args: Any, platform: str = "") -> Flops:
    """FLOPs of ``function(*args)``, which is traced, not run.

    Args:
      function: a jitted or plain function.
      *args: arrays or shapes.
      platform: whose branch is taken in choices by platform; "" for that of an accelerator.

    Raises:
      ValueError: the program has work whose amount is not known before it runs.
    """
    closed = jax.make_jaxpr(function)(*args)
    live, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    tally = _walk(live, platform, again=False)
    by_arithmetic: dict[str, int] = {}
    for (arithmetic, _), count in sorted(tally.items()):
        by_arithmetic[arithmetic] = by_arithmetic.get(arithmetic, 0) + count
    return Flops(
        model=sum(count for (_, again), count in tally.items() if not again),
        hardware=sum(tally.values()),
        by_arithmetic=by_arithmetic,
    )


def _times(tally: Tally, factor: int) -> Tally:
    return collections.Counter({key: factor * count for key, count in tally.items()})


def _walk(jaxpr: Any, platform: str, again: bool) -> Tally:
    tally: Tally = collections.Counter()
    for eqn in jaxpr.eqns:
        inside = again or _AGAIN in str(eqn.source_info.name_stack)
        tally.update(_of_equation(eqn, platform, inside))
    return tally


def _of_equation(eqn: Any, platform: str, again: bool) -> Tally:
    name = eqn.primitive.name
    if name == "dot_general":
        return collections.Counter({(_arithmetic(eqn), again): _of_matmul(eqn)})
    if name == "conv_general_dilated":
        return collections.Counter({(_arithmetic(eqn), again): _of_convolution(eqn)})
    if name in _ATTENTION:
        return _of_attention(eqn, again)
    if name in _CLOSED:
        raise ValueError(f"FLOPs: {name} hides its work; the walk knows matmuls and convolutions.")
    inside = [_walk(jaxpr, platform, again) for jaxpr in _jaxprs(eqn)]
    if name == "cond":
        platforms = eqn.params.get("branches_platforms")
        return inside[_branch(platforms, platform)] if platforms else max(inside, key=_total)
    total = sum(inside, collections.Counter())
    if name == "scan":
        return _times(total, eqn.params["length"])
    if name == "while" and _total(total):
        raise ValueError(
            "FLOPs: a while loop with matmuls or convolutions runs for a number of times that is "
            "not known before; write it as lax.scan or as lax.fori_loop with fixed bounds."
        )
    if name == "shard_map":
        mesh, axes = eqn.params["mesh"], eqn.params["newly_manual_axes"]
        return _times(total, math.prod(mesh.shape[axis] for axis in axes))
    return total


def _total(tally: Tally) -> int:
    return sum(tally.values())


def _branch(platforms: tuple[tuple[str, ...] | None, ...], platform: str) -> int:
    """Which branch of a choice by platform is taken; None is the default's."""
    for number, names in enumerate(platforms):
        if names is None or platform in names:
            return number
    known = ", ".join(sorted({name for names in platforms for name in names}))
    raise ValueError(f"FLOPs: a choice by platform has branches for {known}, not {platform!r}.")


def _jaxprs(eqn: Any) -> Iterator[Any]:
    for value in eqn.params.values():
        for each in value if isinstance(value, tuple | list) else (value,):
            if isinstance(each, core.ClosedJaxpr):
                yield each.jaxpr
            elif isinstance(each, core.Jaxpr):
                yield each


def _arithmetic(eqn: Any) -> str:
    dtype = np.result_type(*(var.aval.dtype for var in eqn.invars[:2])).name
    precision = eqn.params["precision"]
    precisions = precision if isinstance(precision, tuple) else (precision,)
    high = {lax.Precision.HIGH, lax.Precision.HIGHEST} & set(precisions)
    return f"{dtype} highest" if dtype == "float32" and high else dtype


def _of_matmul(eqn: Any) -> int:
    """Equation (1)."""
    (contracted, _), _ = eqn.params["dimension_numbers"]
    shape = eqn.invars[0].aval.shape
    return 2 * math.prod(eqn.outvars[0].aval.shape) * math.prod(shape[axis] for axis in contracted)


def _of_attention(eqn: Any, again: bool) -> Tally:
    """Equation (1), K the channels of a head or the keys; the backward pass makes the scores again.

    Operands begin with queries and keys, ``[B, tokens, heads, d]`` or (layout 1) heads first.
    """
    queries, keys = (var.aval for var in eqn.invars[:2])
    one = 2 * math.prod(queries.shape) * keys.shape[2 if eqn.params["layout"] else 1]
    products, repeated = _ATTENTION[eqn.primitive.name]
    tally: Tally = collections.Counter()
    tally[queries.dtype.name, again] += (products - repeated) * one
    tally[queries.dtype.name, True] += repeated * one
    return tally


def _of_convolution(eqn: Any) -> int:
    """Equation (2); groups of features or of the batch shrink C or N as the shapes say."""
    form = eqn.params["dimension_numbers"]
    left, right, result = (var.aval.shape for var in (*eqn.invars[:2], eqn.outvars[0]))
    places = 1
    for number, (into, tap, out) in enumerate(
        zip(form.lhs_spec[2:], form.rhs_spec[2:], form.out_spec[2:], strict=True)
    ):
        places *= _pairs(
            left[into],
            right[tap],
            result[out],
            eqn.params["window_strides"][number],
            eqn.params["lhs_dilation"][number],
            eqn.params["rhs_dilation"][number],
            int(eqn.params["padding"][number][0]),
        )
    batch, features = (result[axis] for axis in form.out_spec[:2])
    return 2 * batch * features * right[form.rhs_spec[1]] * places


@functools.cache
def _pairs(
    size: int, taps: int, outputs: int, stride: int, holes: int, spread: int, before: int
) -> int:
    """Equation (3): input and kernel are dilated by ``holes`` and ``spread``."""
    places = stride * np.arange(outputs)[:, None] + spread * np.arange(taps)[None] - before
    real = (places >= 0) & (places <= (size - 1) * holes) & (places % holes == 0)
    return int(real.sum())
