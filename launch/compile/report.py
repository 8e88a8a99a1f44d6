"""The figures of a compiled program, as plain values and as text."""

import datetime
import importlib.metadata
from typing import Any

import jax
from jax.sharding import Mesh

from launch.compile.compiling import TooLarge
from pv_vae_jax.costs import chips, collectives, hlo, traffic
from pv_vae_jax.costs.flops import Flops
from pv_vae_jax.sharding.topologies import Topology
from pv_vae_jax.training.ahead import Ahead

GIB = 2**30
PACKAGES = ("jax", "jaxlib", "libtpu", "jax-cuda12-plugin")


def versions() -> dict[str, str]:
    """Of what compiles, as far as installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def figures(
    topology: Topology,
    mesh: Mesh,
    ahead: Ahead,
    flops: Flops,
    program: jax.stages.Compiled | TooLarge | None,
) -> dict[str, Any]:
    """All figures; bytes and FLOPs are of one device, of one run of the program.

    A program that does not fit has neither collectives nor a roofline: it does not exist.  None is
    one that was not compiled.
    """
    chip, devices = chips.CHIPS.get(topology.chip), mesh.size
    found: dict[str, Any] = {
        "topology": f"{topology.chip}:{'x'.join(map(str, topology.shape))}",
        "devices": devices,
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        "parameters": ahead.parameters,
        "optimizer": ahead.optimizer,
        "model_flops": flops.model / devices,
        "hardware_flops": flops.hardware / devices,
        "flops_by_arithmetic": {k: n / devices for k, n in flops.by_arithmetic.items()},
        "available": chip.memory if chip else None,
        "lower_bound": topology.chip == "h100",
    }
    if program is None:
        return found | {"total": None, "fits": None}
    if isinstance(program, TooLarge):
        return found | {"total": program.needed, "available": program.available, "fits": False}
    memory = program.memory_analysis()
    total = (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
        + memory.generated_code_size_in_bytes
    )
    text = hlo.parse(program.as_text())
    slow = chip is not None and chip.beyond > 0
    hosts = [device.process_index for device in mesh.devices.flat] if slow else []
    said, moved = collectives.of(text, hosts), traffic.of(text)
    costs = program.cost_analysis()
    found |= {
        "temporaries": memory.temp_size_in_bytes,
        "total": total,
        "fits": total <= chip.memory if chip else None,
        "bytes": moved,
        "bytes_by_xla": (costs or {}).get("bytes accessed"),
        "flops_by_xla": (costs or {}).get("flops"),
        "collectives": collectives.table(said),
        "sent": collectives.sent(said),
    }
    if chip:
        line = chips.roofline(chip, flops, moved, said, devices)
        found["roofline"] = {
            "compute": line.compute,
            "memory": line.memory,
            "network": line.network,
            "step": line.step,
            "bound": line.bound,
            "mfu": line.utilization,
        }
    return found


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "not given"
    for prefix, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.2f} {prefix}{unit}"
    return f"{value:.0f} {unit}"


def _memory(value: float | None) -> str:
    return "not known" if value is None else f"{value / GIB:.2f} GiB"


def _verdict(found: dict[str, Any]) -> str:
    if found["fits"] is None:
        return "no limit is known of a simulated device" if found["total"] else "not compiled"
    if not found["fits"]:
        return f"does NOT fit {_memory(found['available'])}"
    note = ", a lower bound" if found["lower_bound"] else ""
    return f"fits {_memory(found['available'])}{note}"


def text(found: dict[str, Any]) -> str:
    """For a person."""
    rows = [
        ("parameters", _memory(found["parameters"])),
        ("optimiser", f"{_memory(found['optimizer'])} (slots, EMA, discriminator)"),
        ("temporaries", _memory(found.get("temporaries"))),
        ("total", f"{_memory(found['total'])}; {_verdict(found)}"),
        ("model FLOPs", _amount(found["model_flops"], "FLOP")),
        ("hardware FLOPs", _arithmetics(found)),
    ]
    if "bytes" in found:
        rows.append(
            (
                "bytes",
                f"{_amount(found['bytes'], 'B')} (XLA: {_amount(found['bytes_by_xla'], 'B')})",
            )
        )
        rows += [
            (row["kind"], f"{row['count']} x in groups of {row['group']}: operands "
             f"{_amount(row['operand'], 'B')}, sent {_amount(row['sent'], 'B')}")
            for row in found["collectives"]
        ]  # fmt: skip
    if line := found.get("roofline"):
        rows += [
            (f"time, {term}", f"{line[term] * 1e3:.2f} ms")
            for term in ("compute", "memory", "network")
        ]
        rows.append(
            ("step", f"at least {line['step'] * 1e3:.2f} ms, bound by {line['bound']}; "
             f"predicted MFU at most {line['mfu']:.1%}")
        )  # fmt: skip
    elif "bytes" in found:
        rows.append(("step", "a simulated device has no rates"))
    head = f"{found['program']} on {found['topology']}, {found['devices']} devices; each:"
    return "\n".join([head, *(f"  {name:20} {value}" for name, value in rows)])


def _arithmetics(found: dict[str, Any]) -> str:
    parts = ", ".join(
        f"{_amount(count, 'FLOP')} {name}" for name, count in found["flops_by_arithmetic"].items()
    )
    return f"{_amount(found['hardware_flops'], 'FLOP')} ({parts})"
