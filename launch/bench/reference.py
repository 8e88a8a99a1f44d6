"""A baseline here against diffusers in PyTorch: same weights, same clip, same cores, alternating.

    python -m launch.bench reference --python TORCH_ENVIRONMENT/bin/python --models wan2.1 --size 64
    python -m launch.bench reference --python ... --models wan2.1 --size 64 --ways train

Two processes wait in turn, ours and theirs (launch/bench/reference_worker.py); only one works at a
time.  A round is one run of each; the ratio is of the medians, ours over theirs.

    encode, decode     float32, whole clip
    train              forward and backward of the mean squared error of encode and decode
    memory             peak of the process in its runs, compilation left out; both hold the weights
    difference         largest absolute difference of results (video cut to [-1, 1])

The other interpreter needs torch, diffusers and safetensors; this project does not.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
from typing import Any

from launch import door
from launch.bench.answering import Answering

WORKER = pathlib.Path(__file__).with_name("reference_worker.py")
WAYS = ("encode", "decode", "train")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench reference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--python", required=True, metavar="FILE", help="interpreter with diffusers")
    it.add_argument("--models", default="wan2.1,wan2.2,cogvideox_2b,hunyuan", help="names")
    it.add_argument("--ways", default="encode,decode", help=f"of {', '.join(WAYS)}")
    it.add_argument("--frames", type=door.count, default=17, help="T of the clip, 1 + 4n")
    it.add_argument("--size", type=door.count, default=64, help="rows and columns")
    it.add_argument("--threads", type=int, default=2, help="of PyTorch; ours takes all cores")
    it.add_argument("--remat", default="none", help="of ours in train (models/stack.py)")
    it.add_argument(
        "--rounds", type=door.count, default=3, help="counted rounds, after one of warm-up"
    )
    it.add_argument("--json", metavar="FILE", help="also written there")
    return it


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    from pv_vae_jax.core import markdown

    args = parser().parse_args(argv)
    ways = args.ways.split(",")
    if not set(ways) <= set(WAYS):
        raise ValueError(f"--ways are of {', '.join(WAYS)}; got {args.ways}.")
    found = []
    heads = ("model", "way", "ours, theirs, s", "ratio", "memory, MiB", "ratio", "difference")
    print(f"1 clip of {args.frames} x {args.size} x {args.size}, float32\n")
    print(markdown.table(heads))
    for name in args.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            for row in _compared(name, ways, args, pathlib.Path(folder)):
                print(markdown.row(_cells(row)), flush=True)
                found.append(row)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(found, indent=1) + "\n")


def _compared(name: str, ways: list[str], args: argparse.Namespace, folder: pathlib.Path):
    import numpy as np

    settings = {
        "name": name,
        "folder": str(folder),
        "clip": [args.frames, args.size, args.size],
        "threads": args.threads,
        "remat": args.remat,
    }
    told = json.dumps(settings)
    # In a folder of its own, so that the worker imports nothing of this one by accident.
    root = WORKER.parents[2]
    ours = Answering([sys.executable, str(WORKER), "ours", told], root)  # writes the weights
    theirs = Answering([args.python, str(WORKER), "diffusers", told], root)  # reads them
    for way in ways:
        runs: dict[str, list[dict[str, Any]]] = {"ours": [], "theirs": []}
        for round_ in range(args.rounds + 1):
            for side, process in (("ours", ours), ("theirs", theirs)):
                run = process.ask(json.dumps({"way": way, "counted": round_ > 0}))
                if round_:
                    runs[side].append(run)
        results = [np.load(folder / f"{way}_{side}.npy") for side in ("ours", "diffusers")]
        seconds = {
            side: statistics.median(run["seconds"] for run in each) for side, each in runs.items()
        }
        memory = {side: max(run["peak_mib"] for run in each) for side, each in runs.items()}
        yield {
            "model": name,
            "way": way,
            "seconds": seconds,
            "memory_mib": memory,
            "difference": float(np.abs(results[0] - results[1]).max()),
            "versions": [ours.said, theirs.said],
        }
    ours.close()
    theirs.close()


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    seconds, memory = row["seconds"], row["memory_mib"]
    return (
        row["model"],
        row["way"],
        f"{seconds['ours']:.2f}, {seconds['theirs']:.2f}",
        f"{seconds['ours'] / seconds['theirs']:.2f}",
        f"{memory['ours']:.0f}, {memory['theirs']:.0f}",
        f"{memory['ours'] / memory['theirs']:.2f}",
        f"{row['difference']:.1e}",
    )
