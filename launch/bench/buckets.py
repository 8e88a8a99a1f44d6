"""Step time of each bucket of a config, and whether the buckets are balanced.

    ratio = median ms of the bucket's step / mean over the buckets,     even = batch / ratio     (1)

Balanced buckets have ratios within 20% of each other (docs/design.md): a step of any resolution
costs the same, so that no host waits.  ``even`` is the batch that would make it so.  The clips are
noise, nothing is withheld, the buckets alternate; by default the model is the tiny one.

    python -m launch.bench buckets --config configs/pv_vae_661m.py:tiny --plain
"""

import argparse
import statistics
from typing import Any

from launch import door
from launch.bench import stage_step
from launch.compile import settings


def _divided(buckets: tuple[tuple, ...], by: int) -> tuple[tuple, ...]:
    for height, width, batch, *_ in buckets:
        if batch % by:
            raise ValueError(
                f"--divide {by}: the batch {batch} at {height}x{width} is no multiple."
            )
    return tuple((height, width, batch // by, *rest) for height, width, batch, *rest in buckets)


def measure(config: dict[str, Any], name: str, rounds: int) -> dict[tuple, list[float]]:
    """Seconds of each step of a stage's buckets ``(height, width, batch)``, ``rounds`` of each."""
    steps = {
        tuple(bucket[:3]): stage_step.StageStep(config, name, bucket)
        for bucket in config["stages"][name]["data"]["buckets"]
    }
    seconds: dict[tuple, list[float]] = {bucket: [] for bucket in steps}
    for round_ in range(rounds + 1):
        for bucket, step in steps.items():
            spent = step.run()
            if round_:
                seconds[bucket].append(spent)
    return seconds


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench buckets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--config", required=True, metavar="FILE[:ARGUMENT]", help="as launch.train's")
    it.add_argument("--stage", help="default: every stage of config.run")
    it.add_argument("--model", default="pv_vae_tiny", help="a named size, or `config` for its own")
    it.add_argument(
        "--divide", type=door.count, default=1, metavar="N", help="batches divided by N"
    )
    it.add_argument("--plain", action="store_true", help="without LPIPS and GAN")
    it.add_argument(
        "--rounds", type=door.count, default=10, help="counted rounds, after one of warm-up"
    )
    args = it.parse_args(argv)

    from pv_vae_jax.zoo import registry

    config = settings.read(args.config)
    stage_step.check_stage(config, args.stage or config["run"][0])
    if args.model != "config":
        dtype = config["model"]["fields"]["dtype"]
        config["model"] = {"name": args.model, "fields": registry.fields(args.model, dtype=dtype)}
    names = (args.stage,) if args.stage else config["run"]
    for name in names:
        stage_step.check_stage(config, name)
        stage = config["stages"][name]
        stage["data"]["buckets"] = _divided(stage["data"]["buckets"], args.divide)
        if args.plain:
            stage["weights"] |= {"lpips": 0.0, "gan": 0.0}
    for name in names:
        print(f"{name} of {args.config}, {config['model']['name']}", end=", ")
        print(f"T = {config['stages'][name]['data']['frames']}")
        seconds = measure(config, name, args.rounds)
        medians = {bucket: statistics.median(times) for bucket, times in seconds.items()}
        mean = statistics.mean(medians.values())
        for (height, width, batch), median in medians.items():
            ratio = median / mean
            print(
                f"  {height:>4} x {width:<4} x {batch:<4}{median * 1e3:>10.1f} ms a step"
                f"{ratio:>8.2f} of the mean, even batch {batch / ratio:.1f}"
            )
        spread = max(medians.values()) / min(medians.values())
        print(f"  slowest / fastest {spread:.2f}")
