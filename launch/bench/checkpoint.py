"""What writing checkpoints costs a run: the stall, and the steps beside the writing.

    stall      seconds of save(), while training stands still       over a step's seconds   (1)
    beside     a round of steps with one save() in it, less a round without                 (2)

Rounds alternate, after one of warm-up; medians.  Of a stage of a config on simulated devices,
parameters, EMA and slots split over them (FSDP), as Orbax writes them in a run.

    python -m launch.bench checkpoint --config configs/quickstart.py --devices 8
"""

import statistics
import tempfile
import time

from launch import door, simulated
from launch.bench import stage_step
from launch.compile import settings


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = stage_step.parser("checkpoint", __doc__, "configs/quickstart.py")
    it.add_argument("--devices", type=door.count, default=8, help="simulated")
    it.add_argument("--steps", type=door.count, default=30, help="in a round")
    it.add_argument("--rounds", type=door.count, default=5, help="pairs of rounds")
    args = it.parse_args(argv)
    simulated.devices(args.devices)

    split = ("runtime.sharding.fsdp=True", "runtime.sharding.least=4096")
    config = settings.read(args.config, split)
    bucket = stage_step.bucket_of(config, args.stage, args.bucket)
    import jax

    step = stage_step.StageStep(config, args.stage, bucket)
    step.run()
    stalls, rounds = _rounds(step, args.steps, args.rounds)

    plain = statistics.median(rounds["without"]) / args.steps
    stall = statistics.median(stalls)
    beside = statistics.median(rounds["with"]) - statistics.median(rounds["without"])
    height, width, batch, *_ = bucket
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(step.state)) / 2**20
    print(
        f"{args.stage} of {args.config}: {batch} clips of {height} x {width} on {args.devices} "
        f"devices, a checkpoint of {size:.1f} MiB"
    )
    print(f"  step    {plain * 1e3:9.1f} ms")
    print(f"  stall   {stall * 1e3:9.1f} ms, {stall / plain:.2f} of a step")
    print(f"  beside  {beside * 1e3:9.1f} ms, {beside / plain:.2f} of a step")


def _rounds(step: stage_step.StageStep, steps: int, count: int):
    """(seconds of each save, seconds of the rounds with and without one)."""
    from pv_vae_jax.checkpoint.manager import Checkpoints

    stalls: list[float] = []
    rounds: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(folder)
        for number in range(count + 1):
            for name, spent in rounds.items():
                begin = time.perf_counter()
                for i in range(steps):
                    step.run()
                    if name == "with" and i == 0:
                        before = time.perf_counter()
                        checkpoints.save(number, step.state, {})
                        stalls.append(time.perf_counter() - before)
                spent.append(time.perf_counter() - begin)
        checkpoints.close()
    return stalls[1:], {name: spent[1:] for name, spent in rounds.items()}
