"""An update of Latte on each form of latents, or samples of it: the paper's TSpeed and TMem.

    it/s      1 / median seconds of an update (loss, gradient, AdamW, EMA) on kept latents
    s a clip  median seconds of a batch through all steps of the sampler, over its clips
    GiB       temporaries + arguments of the compiled program on one device, by XLA's own account

The forms are those of Table 1: t4s8c16 in patches of 2 (as the public Latte) and of 1, t4s16c48 and
t4s16c64 in patches of 1.  They alternate, the states of those that wait lie on the host.  "to last"
is the ratio to the last row, of the paper to PV-VAE's.  The paper's columns have a row of models
each, of hardware and a step that it does not tell: compare ratios, never the numbers.

    python -m launch.bench generator                                     a small Latte on CPU
    python -m launch.bench generator --size latte_xl --batch 32 --rounds 5 --updates 10
    python -m launch.bench generator --what sample
"""

import argparse
import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

from launch import door

TABLE_1 = (("t4s8c16", 2), ("t4s8c16", 1), ("t4s16c48", 1), ("t4s16c64", 1))
GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured of a form of latents; bytes of one device, FLOPs of a clip."""

    latents: str
    patch: int
    tokens: int
    parameters: int
    seconds: tuple[float, ...]
    temporaries: int
    arguments: int
    flops: float

    @property
    def total(self) -> int:
        """Bytes of the program."""
        return self.temporaries + self.arguments


def parser() -> argparse.ArgumentParser:
    """The command line; what is left out depends on the devices."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench generator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--what", choices=("train", "sample"), default="train")
    it.add_argument("--size", help="default: latte_tiny on CPU, latte_xl elsewhere")
    it.add_argument("--latents", nargs="+", help="such as t4s16c64 (default: those of Table 1)")
    it.add_argument("--patch", nargs="+", type=door.count, help="with each of the latents")
    it.add_argument("--frames", type=door.count, default=17, help="T of a clip, 1 + 4n")
    it.add_argument("--pixels", type=door.count, default=256, help="rows and columns of a clip")
    it.add_argument(
        "--batch", type=door.count, help="clips (default: 1 a device on CPU, 4 elsewhere)"
    )
    it.add_argument("--dtype", help="default: float32 on CPU, bfloat16 elsewhere")
    it.add_argument("--remat", default="block", help="none or block, what the backward pass keeps")
    it.add_argument("--steps", type=door.count, help="of Euler (default: 10 on CPU, 100 elsewhere)")
    it.add_argument("--rounds", type=door.count, default=3, help="turns of each form")
    it.add_argument(
        "--updates", type=door.count, default=1, help="counted runs in a turn, after one"
    )
    return it


def forms(latents: Sequence[str] | None, patches: Sequence[int] | None) -> list[tuple[str, int]]:
    """Pairs of latents and patch: those of Table 1, or all of what is asked for."""
    if not (latents or patches):
        return list(TABLE_1)
    latents = latents or list(dict.fromkeys(name for name, _ in TABLE_1))
    return [(name, patch) for name in latents for patch in patches or (1,)]


def models_of(latents: str) -> list[str]:
    """The models of the paper's Table 1 with these latents.

    Raises:
      ValueError: there is none; the message lists the latents that there are.
    """
    from pv_vae_jax.evaluation import published
    from pv_vae_jax.zoo import registry

    specs = {name: str(registry.build(name).spec) for name in published.TRAINING}
    if latents not in specs.values():
        known = ", ".join(dict.fromkeys(specs.values()))
        raise ValueError(f"--latents {latents}: Table 1 has {known}.")
    return [name for name, spec in specs.items() if spec == latents]


def config_of(args: argparse.Namespace, latents: str, patch: int) -> dict[str, Any]:
    """The config of a class-conditional generator, as configs/latte_ucf101.py."""
    from configs.generator_base import base, stage

    config = base(args.size, classes=101, patch=patch, dtype=args.dtype, remat=args.remat)
    config.tokenizer.model = models_of(latents)[0]
    bucket = (args.pixels, args.pixels, args.batch, 1)
    config.stages.generator = stage(data={"frames": args.frames, "buckets": (bucket,)})
    config.sampling.steps = args.steps
    return config.to_dict()


def _complete(args: argparse.Namespace) -> None:
    """Fills in what depends on the devices."""
    import jax

    cpu, count = jax.default_backend() == "cpu", jax.device_count()
    args.size = args.size or ("latte_tiny" if cpu else "latte_xl")
    args.batch = count * (1 if cpu else 4) if args.batch is None else args.batch
    args.dtype = args.dtype or ("float32" if cpu else "bfloat16")
    args.steps = (10 if cpu else 100) if args.steps is None else args.steps


def measure(args: argparse.Namespace) -> list[Row]:
    """A row for each form."""
    from launch.bench import generator_step
    from pv_vae_jax.core import trees
    from pv_vae_jax.models import latte_sizes
    from pv_vae_jax.sharding import mesh as meshes
    from pv_vae_jax.training import generator_ahead

    asked, mesh = forms(args.latents, args.patch), meshes.make_mesh()
    meshes.check_batch(mesh, args.batch, 1)
    runs = [generator_ahead.described(config_of(args, *form)) for form in asked]
    if args.what == "train":
        steps = [generator_step.training(run, mesh) for run in runs]
    else:
        steps = [generator_step.sampling(run, mesh, args.batch // mesh.size) for run in runs]
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(args.rounds):
        for step, own in zip(steps, seconds, strict=True):
            own += step.turn(args.updates)
    rows = []
    for (latents, patch), run, step, own in zip(asked, runs, steps, seconds, strict=True):
        groups, height, width, _ = run.latents.shape
        rows.append(
            Row(
                latents,
                patch,
                groups * height * width // patch**2,
                trees.count(latte_sizes.shapes(run.module)),
                tuple(own),
                step.memory.temporary,
                step.memory.arguments,
                step.model_flops / args.batch,
            )
        )
    return rows


def _paper(latents: str) -> tuple[str, str]:
    """The paper's it/s and GiB of the models with these latents, each also to PV-VAE's."""
    from pv_vae_jax.evaluation import published

    found = [published.TRAINING[name] for name in models_of(latents)]
    texts = []
    for column, one in enumerate(published.TRAINING["pv_vae_661m"]):
        values = {row[column] for row in found}
        ends = sorted({min(values), max(values)})
        plain = " to ".join(f"{value:.2f}" for value in ends)
        ratios = " to ".join(f"{value / one:.2f}" for value in ends)
        texts.append(f"{plain} ({ratios})")
    return texts[0], texts[1]


def table(rows: Sequence[Row], what: str, batch: int) -> str:
    """Markdown, a line for each form."""
    from pv_vae_jax.core import markdown

    speed = "it/s" if what == "train" else "s a clip"
    heads = [
        "latents, patch",
        "tokens",
        "parameters",
        f"{speed} (to last)",
        "temporaries, arguments, GiB",
        "together (to last)",
        "model GFLOP a clip (to last)",
    ]
    if what == "train":
        heads += ["paper: it/s (to PV-VAE)", "paper: GiB (to PV-VAE)"]
    lines, last = [], rows[-1]

    def rate(row: Row) -> float:
        seconds = statistics.median(row.seconds)
        return 1 / seconds if what == "train" else seconds / batch

    for row in rows:
        line = [
            f"{row.latents}, {row.patch}",
            f"{row.tokens:,}",
            f"{row.parameters:,}",
            f"{rate(row):.3f} ({rate(row) / rate(last):.2f})",
            f"{row.temporaries / GIB:.2f}, {row.arguments / GIB:.2f}",
            f"{row.total / GIB:.2f} ({row.total / last.total:.2f})",
            f"{row.flops / 1e9:.1f} ({row.flops / last.flops:.2f})",
        ]
        lines.append(line + (list(_paper(row.latents)) if what == "train" else []))
    return markdown.table(heads, lines)


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    args = parser().parse_args(argv)
    for latents, _ in forms(args.latents, args.patch):
        models_of(latents)  # a wrong name ends it before the first program
    _complete(args)
    import jax

    rows = measure(args)
    clips = f"{args.batch} clips of {args.frames} x {args.pixels} x {args.pixels}"
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    how = f", {args.steps} steps of Euler" if args.what == "sample" else f", remat {args.remat}"
    print(f"{args.what} of {args.size}, {clips}, {args.dtype}{how}, {devices}, ", end="")
    print(f"median of {args.rounds} x {args.updates} runs\n")
    print(table(rows, args.what, args.batch))
