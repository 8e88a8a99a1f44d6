"""Compiles the real programs of a config for devices that are not here, and says what they cost."""

import argparse
import json
import os
import pathlib
import sys

from launch import door, simulated
from launch.compile import settings

EPILOG = """\
topologies: v4:2x2x1 v5e:8x8 v5p:4x4x4 v6e:4x4 tpu7x:2x2x1 (chips), h100:8 (GPUs), cpu:8.
TPUs need libtpu (pip install 'jax[tpu]'), GPUs need jax-cuda12-plugin, jax-cuda12-pjrt and
nvidia-cuda-nvcc-cu12, each in an environment of its own; neither needs the device.

examples:
  python -m launch.compile --config=configs/pv_vae_661m.py:tiny --topology=cpu:8 --stage=predictive
  python -m launch.compile --config=configs/pv_vae_661m.py --topology=v5p:4x4x4 \\
      --stage=predictive --per-device=1 --effort=-1 --set runtime.sharding.fsdp=True
  python -m launch.compile --config=configs/pv_vae_661m.py --topology=h100:8 --what=decode \\
      --json=runs/decode.json
  python -m launch.compile --config=configs/latte_ucf101.py:pv_vae_661m --topology=v5p:2x2x1 \\
      --stage=generator --per-device=8      (or --what=sample: noise to latents, all steps)

A generator's config names its video VAE; its latents are taken as kept, so no file is needed.
All figures are of one device and one run.  The step time is a roofline's: a lower bound.  Without
vectorised layouts (--effort=-1 compiles many times faster) memory is pessimistic; say which effort
a number had.  exit code: 0 compiled and fits, 1 does not fit, 2 after an error (one sentence).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.compile",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--config", required=True, metavar="FILE[:ARGUMENT]", help="as launch.train's")
    it.add_argument("--topology", required=True, metavar="CHIP:SHAPE", help="see below")
    it.add_argument("--stage", default="", help="default: the first of config.run")
    it.add_argument("--bucket", type=int, default=0, metavar="N", help="number of the bucket")
    it.add_argument("--what", default="train", help="train, encode, decode; sample")
    it.add_argument(
        "--withheld", type=int, default=0, metavar="K", help="groups that `slice` does not encode"
    )
    it.add_argument(
        "--per-device", type=int, default=0, metavar="N",
        help="clips on each part of the data axis in a micro-batch (default: the config's batch)",
    )  # fmt: skip
    it.add_argument("--effort", default="default", help="of the compiler: default or -1")
    it.add_argument(
        "--count", action="store_true", help="FLOPs, parameters and optimiser; compile nothing"
    )
    it.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the config")
    it.add_argument("--json", metavar="FILE", help="also written there")
    return it


def _environment(topology: str) -> None:
    """What JAX and libtpu read when they are imported."""
    chip, _, count = topology.partition(":")
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    if chip == "cpu" and count.isdigit():
        simulated.devices(int(count))
    else:
        # A program for absent devices cannot be loaded from a cache.
        os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"


def main(argv: list[str] | None = None) -> int:
    """Runs the door; returns the exit code."""
    args = parser().parse_args(argv)
    _environment(args.topology)
    from launch.compile import compiling, programs, report
    from pv_vae_jax.sharding import topologies

    topology = topologies.parse(args.topology)
    if args.effort not in compiling.EFFORTS:
        raise ValueError(f"--effort {args.effort}: it is one of {', '.join(compiling.EFFORTS)}.")
    config = settings.read(args.config, args.set)
    from pv_vae_jax.costs import flops
    from pv_vae_jax.sharding import mesh as meshes

    devices = topology.devices()
    mesh = meshes.make_mesh(**config["runtime"]["mesh"], devices=devices)
    config = settings.only(
        config, args.stage, args.bucket, args.per_device, mesh.shape["data"], args.what
    )
    named = programs.of(config, mesh, args.what, args.per_device, args.withheld)
    program = named.ahead
    counted = compiling.watched(
        "counting FLOPs",
        lambda: flops.of(program.function, *program.arguments, platform=topology.platform),
    )
    name = named.name.partition(",")[0]
    compiled = None
    if not args.count:
        lowered = compiling.watched("lowering", lambda: program.function.lower(*program.arguments))
        compiled = compiling.watched(
            f"compiling {name} for {args.topology}, effort {args.effort}",
            lambda: compiling.compiled(lowered, args.effort),
        )
    effort = "counted only" if args.count else f"effort {args.effort}"
    found = {
        "program": f"{named.name}, {effort}",
        "config": args.config,
        "settings": list(args.set),
        "withheld": args.withheld,
        "effort": args.effort,
    } | report.figures(topology, mesh, program, counted, compiled)
    print(report.text(found))
    if args.json:
        path = pathlib.Path(args.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if found["fits"] is False else 0


if __name__ == "__main__":
    door.run(lambda: sys.exit(main()))
