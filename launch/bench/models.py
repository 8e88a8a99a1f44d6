"""Encode and decode of any set of models: time, frames per second, memory, parameters, FLOPs.

Each model runs in a process of its own, so that its resident memory is its own.  Time does not
depend on the weights, so they are fresh, or (--weights NAME=FILE) public ones.

    memory, XLA        arguments, results and temporaries of the compiled program
    memory, resident   peak of the process while the program runs, compilation left out
    memory, device     peak of the accelerator, where it says so
    it/s               clips a second through encode and decode, times 1 / batch: the paper's unit

The paper's columns are of its own hardware (17 x 256 x 256, batch 4, 50 runs of warm-up, 100
counted): compare ratios between models, never the numbers.

    python -m launch.bench models --frames 17 --size 64 --warmup 1 --repeats 3
    python -m launch.bench models --models wan2.2,pv_vae_661m --size 128 --warmup 1 --repeats 5
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
from typing import Any

from launch import door
from launch.bench.memory import forget_peak, peak_mib

MIB = 2**20


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "--models", default="", help="names, comma between (default: the baselines and pv_vae_661m)"
    )
    it.add_argument("--weights", action="append", default=[], metavar="NAME=FILE", help="public")
    it.add_argument("--frames", type=door.count, default=17, help="T of a clip, 1 + 4n")
    it.add_argument("--size", type=door.count, default=256, help="rows and columns")
    it.add_argument("--batch", type=door.count, default=4, help="clips")
    it.add_argument("--dtype", default="float32", help="float32 or bfloat16")
    it.add_argument("--warmup", type=int, default=50, help="runs that are not counted")
    it.add_argument("--repeats", type=door.count, default=100, help="counted runs")
    it.add_argument("--json", metavar="FILE", help="also written there")
    it.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    return it


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    args = parser().parse_args(argv)
    if args.one:
        print(json.dumps(_measured(args)))
        return
    from pv_vae_jax.zoo import registry

    names = args.models.split(",") if args.models else [*registry.BASELINES, "pv_vae_661m"]
    for name in names:
        registry.fields(name)  # a wrong name ends it before the first run
    for weights in args.weights:
        if weights.partition("=")[0] not in names:
            raise ValueError(f"--weights {weights}: it is NAME=FILE of one of {', '.join(names)}.")
    found = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "launch.bench", "models", "--one", name, *argv]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise ValueError(f"{name} could not be measured: see its message above.")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    form = f"{args.batch} clips of {args.frames} x {args.size} x {args.size}, {args.dtype}"
    runs = f"median of {args.repeats} runs after {args.warmup}"
    print(f"{form}, {found[0]['device']}, {runs}\n")
    print(table(found))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"form": form, "models": found}, indent=1))


def table(found: list[dict[str, Any]]) -> str:
    """Markdown, a line for each model."""
    from pv_vae_jax.core import markdown

    heads = (
        "model", "latent", "parameters", "encode, decode, ms", "frames/s", "it/s",
        "XLA, MiB", "resident (device), MiB", "TFLOP", "paper: it/s, GiB",
    )  # fmt: skip
    return markdown.table(heads, map(_row, found))


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    ways = one["encode"], one["decode"]

    def both(name: str, form: str) -> str:
        return ", ".join(format(way[name], form) for way in ways)

    seconds = sum(way["seconds"] for way in ways)
    device = one["decode"]["device_mib"]
    paper = one["paper"]
    return (
        one["name"],
        one["spec"],
        f"{one['parameters']:,}",
        ", ".join(f"{1e3 * way['seconds']:.0f}" for way in ways),
        ", ".join(f"{one['frames'] / way['seconds']:.1f}" for way in ways),
        f"{1 / seconds:.3f}",
        both("xla_mib", ".0f"),
        both("resident_mib", ".0f") + (f" ({device:.0f})" if device else ""),
        both("tflop", ".3f"),
        f"{paper[0]:.2f}, {paper[1]:.2f}" if paper else "-",
    )


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of one model, as JSON values."""
    import jax

    from pv_vae_jax.evaluation import published, speed
    from pv_vae_jax.zoo import registry

    files = dict(each.split("=", 1) for each in args.weights)
    if args.one in files:
        vae = registry.from_reference(args.one, files[args.one], dtype=args.dtype)
    else:
        vae = registry.create(args.one, dtype=args.dtype)
    clip = args.batch, args.frames, args.size, args.size
    found: dict[str, Any] = {
        "name": args.one,
        "spec": str(vae.spec),
        "parameters": vae.parameters,
        "frames": args.batch * args.frames,
        "device": jax.devices()[0].device_kind,
        "paper": published.INFERENCE.get(args.one),
    }
    ways, params = speed.ways(vae, clip), jax.device_put(vae.params)
    del vae
    for way, (method, x) in ways.items():
        found[way] = _timed(method, (params, x), args)
    return found


def _timed(method: Any, arguments: tuple, args: argparse.Namespace) -> dict[str, Any]:
    import jax

    from pv_vae_jax.costs import flops
    from pv_vae_jax.evaluation import speed

    program = jax.jit(method).lower(*arguments).compile()
    forget_peak()
    timed = speed.timed(program, arguments, args.warmup, args.repeats)
    counted = flops.of(method, *arguments).model
    return {
        "seconds": statistics.median(timed.seconds),
        "seconds_min": min(timed.seconds),
        "seconds_max": max(timed.seconds),
        "xla_mib": timed.program_bytes / MIB,
        "resident_mib": peak_mib(),
        "device_mib": timed.device_bytes / MIB,
        "tflop": counted / 1e12,
    }
