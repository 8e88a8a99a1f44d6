"""I3D and C3D: seconds a clip, share of a matmul's rate, and the same network in PyTorch.

    share = (FLOPs of the network / seconds) / (2 n^3 / seconds of an n x n matmul)         (1)

Float32, random weights (time does not depend on them), one clip of network size; all sides
alternate, one at a time; medians.  FLOPs are those of the plain convolutions, whatever form runs.
PyTorch runs as it is usually written (channels first) or with `--layout channels_last_3d`; its
interpreter needs torch and numpy.

    python -m launch.bench judges --frames 17 --python TORCH_ENVIRONMENT/bin/python
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

from launch import door
from launch.bench import arithmetic
from launch.bench.answering import Answering

WORKER = pathlib.Path(__file__).with_name("judges_worker.py")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench judges",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--judges", default="i3d", help="of i3d, c3d")
    it.add_argument("--frames", type=door.count, default=17, help="of a clip for i3d, at least 9")
    it.add_argument("--batch", type=door.count, default=1, help="clips at once")
    it.add_argument(
        "--rounds", type=door.count, default=5, help="counted rounds, after one of warm-up"
    )
    it.add_argument("--matmul", type=door.count, default=2048, metavar="n", help="rows and columns")
    it.add_argument("--python", metavar="FILE", help="interpreter with torch")
    it.add_argument("--threads", type=int, default=2, help="of PyTorch; ours takes all cores")
    it.add_argument("--layout", default="contiguous_format", help="or channels_last_3d")
    it.add_argument("--json", metavar="FILE", help="also written there")
    return it


def _ours(judge: str, args: argparse.Namespace):
    """(run, FLOPs, the arrays with the clip, the logits)."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from pv_vae_jax.core import trees
    from pv_vae_jax.costs import flops
    from pv_vae_jax.pretrained import c3d_network, i3d_network

    module, network = (
        (i3d_network, i3d_network.I3D()) if judge == "i3d" else (c3d_network, c3d_network.C3D())
    )
    frames = args.frames if judge == "i3d" else c3d_network.FRAMES
    shape = (args.batch, frames, module.SIDE, module.SIDE, 3)
    random = np.random.default_rng(0)
    video = random.uniform(-1, 1, shape).astype(np.float32)
    params = network.init(jax.random.key(0), jnp.asarray(video))["params"]

    def logits(params, video):
        return network.apply({"params": params}, video)

    program = jax.jit(logits).lower(params, video).compile()
    clip, found = jnp.asarray(video), []

    def run() -> float:
        begin = time.perf_counter()
        found[:] = [jax.block_until_ready(program(params, clip))]
        return time.perf_counter() - begin

    arrays = {path: np.asarray(leaf) for path, leaf in trees.flatten(params).items()}
    for path in [path for path in arrays if "/enter/" in path]:
        block, leaf = path.split("/enter/")
        a, b, *_ = dict(i3d_network.BLOCKS)[block]
        for part, value in zip("abc", np.split(arrays.pop(path), (a, a + b), axis=-1), strict=True):
            arrays[f"{block}/enter/{part}/{leaf}"] = value
    return run, flops.of(logits, params, video).model, arrays | {"video": video}, found


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    args = parser().parse_args(argv)
    wanted = args.judges.split(",")
    if not set(wanted) <= {"i3d", "c3d"}:
        raise ValueError(f"--judges are of i3d, c3d; got {args.judges}.")
    rows = []
    for judge in wanted:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_measured(judge, args, pathlib.Path(folder, "arrays.npz")))
            _tell(rows[-1])
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=1) + "\n")


def _measured(judge: str, args: argparse.Namespace, file: pathlib.Path) -> dict:
    import jax
    import numpy as np

    run, flops, arrays, found = _ours(judge, args)
    sides: dict[str, Callable[[], float]] = {"ours": run, "matmul": arithmetic.matmul(args.matmul)}
    theirs = None
    if args.python:
        np.savez(file, **arrays)
        command = [args.python, str(WORKER), judge, str(file), str(args.threads), args.layout]
        theirs = Answering(command)
        sides["torch"] = lambda: theirs.ask("")
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for round_ in range(args.rounds + 1):
        for side, one in sides.items():
            spent = one()
            if round_:
                seconds[side].append(spent)
    row = {
        "judge": judge,
        "clips": args.batch,
        "shape": list(arrays["video"].shape),
        "gflop": flops / 1e9 / args.batch,
        "seconds": {side: statistics.median(each) for side, each in seconds.items()},
        "matmul_gflop": 2 * args.matmul**3 / 1e9,
        "versions": [f"jax {jax.__version__}"],
    }
    if theirs:
        theirs.close()
        other = np.load(file.with_suffix(".npy"))
        row["versions"].append(theirs.said)
        row["difference"] = float(np.abs(other - found[0]).max() / np.abs(other).max())
    return row


def _tell(row: dict) -> None:
    clips, seconds, gflop = row["clips"], row["seconds"], row["gflop"]
    matmul = row["matmul_gflop"] / seconds["matmul"]
    print(
        f"{row['judge']}, {' x '.join(map(str, row['shape']))}, float32, {gflop:.1f} GFLOP a clip"
    )
    print(f"  matmul {matmul:8.1f} GFLOP/s")
    for side in ("ours", "torch"):
        if side in seconds:
            each = seconds[side] / clips
            share = gflop / each / matmul
            print(f"  {side:6} {gflop / each:8.1f} GFLOP/s, {share:.2f} of it {each:8.3f} s a clip")
    if "torch" in seconds:
        ratio, difference = seconds["ours"] / seconds["torch"], row["difference"]
        print(f"  ours over torch {ratio:.2f}; logits differ by {difference:.1e} of the largest")
