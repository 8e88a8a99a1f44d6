"""What LPIPS and the GAN cost: the step of a stage with them over the step without.

    plain    without LPIPS and GAN           lpips    plain and LPIPS
    gan      plain and GAN                   whole    all terms, as the config has them

Time: the programs alternate on one batch of noise, ratio of the medians.  Memory: what the compiled
program wants beside its arguments and results, and the arguments (parameters, slots, averages of
generator and discriminator), both XLA's own figures.

    python -m launch.bench terms --config configs/pv_vae_661m.py:tiny --stage predictive
"""

import statistics

from launch import door
from launch.bench import stage_step
from launch.compile import settings

WITHOUT = {"plain": ("lpips", "gan"), "lpips": ("gan",), "gan": ("lpips",), "whole": ()}


def _without(config: dict, stage: str, terms: tuple[str, ...]) -> dict:
    one = config["stages"][stage]
    weights = one["weights"] | dict.fromkeys(terms, 0.0)
    return config | {"stages": config["stages"] | {stage: one | {"weights": weights}}}


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = stage_step.parser("terms", __doc__)
    it.add_argument(
        "--rounds", type=door.count, default=10, help="counted rounds, after one of warm-up"
    )
    args = it.parse_args(argv)

    config = settings.read(args.config)
    bucket = stage_step.bucket_of(config, args.stage, args.bucket)
    steps = {
        name: stage_step.StageStep(_without(config, args.stage, terms), args.stage, bucket)
        for name, terms in WITHOUT.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(args.rounds + 1):
        for name, step in steps.items():
            spent = step.run()
            if round_:
                seconds[name].append(spent)
    frames = config["stages"][args.stage]["data"]["frames"]
    height, width, batch, *_ = bucket
    print(f"{args.stage} of {args.config}: {batch} clips of {frames} x {height} x {width}")
    plain = statistics.median(seconds["plain"]), steps["plain"].memory()
    for name, step in steps.items():
        median, memory = statistics.median(seconds[name]), step.memory()
        print(
            f"  {name:6}{median * 1e3:9.1f} ms a step, {median / plain[0]:5.2f} times plain;"
            f"{memory.temporary / 2**20:9.1f} MiB of temporaries,"
            f"{memory.temporary / plain[1].temporary:5.2f} times;"
            f"{memory.arguments / 2**20:8.1f} MiB of arguments"
        )
