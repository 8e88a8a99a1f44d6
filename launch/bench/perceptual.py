"""LPIPS of clips: time and memory, values alone and with the gradient on the pixels.

Time does not depend on the weights, so they are random here.  Memory is what the compiled program
wants beside its arguments and results (XLA's own figure), then the process's peak above what was
resident before its run.  The package `lpips` in PyTorch beside it: docs/benchmarks.md.
"""

import argparse
import statistics
import time

from launch import door
from launch.bench.memory import forget_peak, peak_mib


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = argparse.ArgumentParser(prog="python -m launch.bench perceptual", description=__doc__)
    it.add_argument("--backbone", default="vgg16", help="vgg16 or alexnet")
    it.add_argument("--batch", type=door.count, default=1, help="clips")
    it.add_argument("--frames", type=door.count, default=17, help="of a clip")
    it.add_argument("--size", type=door.count, default=128, help="rows and columns")
    it.add_argument("--chunk", type=door.count, default=16, help="frames looked at together")
    it.add_argument(
        "--rounds", type=door.count, default=5, help="counted rounds, after one of warm-up"
    )
    args = it.parse_args(argv)

    import jax
    import numpy as np

    from pv_vae_jax.core import trees
    from pv_vae_jax.losses import perceptual
    from pv_vae_jax.pretrained import weights

    random = np.random.default_rng(0)
    params = {
        name: 0.05 * np.abs(random.standard_normal(shape, np.float32))
        for name, shape in weights.TABLE[f"lpips_{args.backbone}"].shapes().items()
    }
    network = perceptual.NETWORKS[args.backbone]
    lpips = jax.device_put(perceptual.LPIPS(trees.unflatten(params), network, args.chunk))
    shape = (args.batch, args.frames, args.size, args.size, 3)
    clips = [random.uniform(-1, 1, shape).astype(np.float32) for _ in range(2)]

    def values(lpips, video, target):
        return lpips(video, target)

    def gradient(lpips, video, target):
        return jax.value_and_grad(lambda video: lpips(video, target).mean())(video)

    print(
        f"{args.backbone}, {args.batch} clips of {args.frames} x {args.size} x {args.size}, ",
        end="",
    )
    print(f"{args.chunk} frames at a time, {jax.devices()[0].device_kind}")
    for name, function in (("values", values), ("with gradient", gradient)):
        program = jax.jit(function).lower(lpips, *clips).compile()
        jax.block_until_ready(program(lpips, *clips))  # warm-up
        forget_peak()
        before, seconds = peak_mib(), []
        for _ in range(args.rounds):
            begin = time.perf_counter()
            jax.block_until_ready(program(lpips, *clips))
            seconds.append(time.perf_counter() - begin)
        median = statistics.median(seconds) / args.batch
        memory = program.memory_analysis().temp_size_in_bytes / 2**20
        print(
            f"{name:14} {median * 1e3:9.1f} ms a clip   {memory:8.1f} MiB by XLA   "
            f"{peak_mib() - before:8.1f} MiB of the process"
        )
