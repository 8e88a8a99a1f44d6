"""Memory against length: films of any length, made as they go, through every model.

    resident   peak of the process while a film is encoded, decoded and written (MP4)
    live       most bytes of arrays on the device, seen after each piece
    growth     of the longest film over the shortest, and its share of the float32 bytes of the
               frames that it has more

Each model runs in a process of its own; short films run first, so that programs are compiled and
buffers made, then each length, the peak begun anew for each.  Large buffers of glibc go back when
they are freed (MALLOC_MMAP_THRESHOLD_), so that a peak is of what is used, not of what its heaps
hold by chance.  Time is not measured.

    python -m launch.bench long
    python -m launch.bench long --models pv_vae_small,wan2.1 --frames 33,129 --size 64
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from launch import door
from launch import models as of_doors
from launch.bench.memory import forget_peak, peak_mib

MIB = 2**20
PERIOD = 30  # latent steps: pieces of any way (evaluation/any_size.py) are 5, 3 or 2
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(MIB)}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench long",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--models", default="pv_vae_tiny", help="names, comma between; or all")
    it.add_argument("--frames", default="1025,4097", help="lengths of the films, comma between")
    it.add_argument("--size", type=door.count, default=128, help="rows and columns")
    of_doors.add_tiles(it)
    it.add_argument("--json", metavar="FILE", help="also written there")
    it.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    return it


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    args = parser().parse_args(argv)
    lengths = sorted(map(int, args.frames.split(",")))
    if args.one:
        print(json.dumps(measured(args.one, lengths, args)))
        return
    from pv_vae_jax.zoo import registry

    names = registry.names() if args.models == "all" else args.models.split(",")
    for name in names:
        registry.fields(name)  # a wrong name ends it before the first run
    found = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "launch.bench", "long", "--one", name, *argv]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | MALLOC)
        if done.returncode:
            raise ValueError(f"{name} could not be measured: see its message above.")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"films of {args.size} x {args.size}, float32, {found[0]['device']}\n")
    print(table(found))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(found, indent=1))


def table(found: list[dict[str, Any]]) -> str:
    """Markdown, a line for each model."""
    from pv_vae_jax.core import markdown

    lengths = [one["frames"] for one in found[0]["films"]]
    memory = [f"{frames:,} frames: resident, live, MiB" for frames in lengths]
    heads, lines = ("model", "way", *memory, "growth: resident, live"), []
    for one in found:
        cells = [f"{film['resident']:.1f}, {film['live']:.1f}" for film in one["films"]]
        first, last = one["films"][0], one["films"][-1]
        added = (last["frames"] - first["frames"]) * one["frame_bytes"] / MIB
        growth = [last[name] - first[name] for name in ("resident", "live")]
        shares = ", ".join(f"{each:+.1f} MiB ({each / added:+.2%})" for each in growth)
        lines.append((one["name"], one["way"], *cells, shares if added else "-"))
    return markdown.table(heads, lines)


def film(frames: int, size: int) -> Iterator[np.ndarray]:
    """Waves that move, uint8 ``[size, size, 3]``, one frame after the other."""
    y, x = np.ogrid[:size, :size]
    for t in range(frames):
        waves = [np.sin(0.1 * x + 0.07 * y + 0.2 * t + phase) for phase in (0, 1, 2)]
        yield np.uint8(127 + 100 * np.stack(waves, axis=-1))


def measured(name: str, lengths: list[int], args: argparse.Namespace) -> dict[str, Any]:
    """The figures of one model, as JSON values."""
    import jax

    from pv_vae_jax.data import video_files
    from pv_vae_jax.evaluation import any_size
    from pv_vae_jax.zoo import registry

    vae = of_doors.tiled(registry.create(name, seed=0), args)
    p = vae.spec.temporal

    def run(frames: int, folder: str) -> dict[str, float]:
        live = 0

        def pieces() -> Iterator[np.ndarray]:
            nonlocal live
            for _, made in any_size.stream(vae, film(frames, args.size), frames):
                live = max(live, sum(array.nbytes for array in jax.live_arrays()))
                yield made

        forget_peak()
        video_files.write(pathlib.Path(folder, "film.mp4"), pieces())
        return {"frames": frames, "resident": peak_mib(), "live": live / MIB}

    period = PERIOD * p
    with tempfile.TemporaryDirectory() as folder:
        for frames in sorted({min(each, each % period + period) for each in lengths}):
            run(frames, folder)
        films = [run(frames, folder) for frames in lengths]
    return {
        "name": name,
        "way": any_size.way(vae.spec, lengths[-1]),
        "frame_bytes": args.size**2 * 3 * 4,
        "device": jax.devices()[0].device_kind,
        "films": films,
    }
