"""How near a training step comes to what the cores can: its FLOP/s over those of a matmul.

    share = (FLOPs of the step / seconds) / (2 n^3 / seconds of an n x n matmul)      (1)

Both in float32, alternating, ratio of the medians.  FLOPs are those of the forms that
run (on CPU Winograd's), by costs/flops.py.

    python -m launch.bench arithmetic --config configs/quickstart.py --stage predictive
"""

import statistics
import time
from collections.abc import Callable

from launch import door
from launch.bench import stage_step
from launch.compile import settings


def matmul(size: int) -> Callable[[], float]:
    """Multiplies two matrices of ``size`` rows and columns; gives the seconds."""
    import jax
    import jax.numpy as jnp

    x = jnp.ones((size, size), jnp.float32)
    multiply = jax.jit(lambda x: x @ x).lower(x).compile()

    def seconds() -> float:
        begin = time.perf_counter()
        multiply(x).block_until_ready()
        return time.perf_counter() - begin

    return seconds


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = stage_step.parser("arithmetic", __doc__, "configs/quickstart.py")
    it.add_argument("--matmul", type=door.count, default=2048, metavar="n", help="rows and columns")
    it.add_argument(
        "--rounds", type=door.count, default=20, help="counted rounds, after one of warm-up"
    )
    args = it.parse_args(argv)

    config = settings.read(args.config)
    bucket = stage_step.bucket_of(config, args.stage, args.bucket)
    step, multiply = stage_step.StageStep(config, args.stage, bucket), matmul(args.matmul)
    flops = {"step": step.flops, "matmul": 2 * args.matmul**3}
    seconds: dict[str, list[float]] = {"step": [], "matmul": []}
    for round_ in range(args.rounds + 1):
        for name, run in (("step", step.run), ("matmul", multiply)):
            spent = run()
            if round_:
                seconds[name].append(spent)
    rates = {name: flops[name] / statistics.median(seconds[name]) / 1e9 for name in flops}
    height, width, batch, *_ = bucket
    frames = config["stages"][args.stage]["data"]["frames"]
    print(f"{args.stage} of {args.config}: {batch} clips of {frames} x {height} x {width}")
    for name, rate in rates.items():
        median = statistics.median(seconds[name])
        print(f"  {name:7}{flops[name] / 1e9:9.2f} GFLOP{median * 1e3:9.1f} ms{rate:9.1f} GFLOP/s")
    print(f"  step over matmul {rates['step'] / rates['matmul']:.2f}")
