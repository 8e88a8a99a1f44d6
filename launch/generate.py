"""Samples a generator: latents first, then videos, a grid, a folder that launch.evaluate scores."""

import argparse
import sys
from typing import Any

from launch import door, sampling

EPILOG = """\
OUT/latents has the latents of each sample, OUT/videos its film, OUT/grid.png and OUT/grid.mp4 show
the first of them.  Sample i depends on --seed and i alone: not on --batch, nor on the devices.  A
killed command goes on with what is missing; several hosts share OUT, each with its own part.

examples:
  python -m launch.generate --workdir runs/latte --count 16 --out samples/latte
  python -m launch.generate --generator exports/latte.npz --vae exports/quickstart.npz --count 64 \\
      --guidance 2 --labels 0,1,2 --out samples/guided
  python -m launch.evaluate --protocol small-gen --samples samples/latte --out results

Another decoder of the same latents (fine-tuned beside the generator), nothing drawn again:
  python -m launch.generate --latents samples/latte --vae exports/finetuned.npz --out samples/again

What a generator must beat, decoded noise and a Gaussian fitted to the latents:
  python -m launch.generate --baseline gaussian --cache latents/clips --vae exports/demo.npz \\
      --count 64 --out samples/gaussian

Clips continued by the flow, beside the VAE's own prediction (docs/generation.md):
  python -m launch.generate extend --workdir runs/latte --from data_cache/clips --observe 5 \\
      --out samples/extended

exit code: 0 if all was made, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from absl.flags import argparse_flags

    it = argparse_flags.ArgumentParser(
        prog="python -m launch.generate",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = sampling.add_generator(it)
    source.add_argument("--latents", metavar="DIR", help="samples that were drawn; only decodes")
    source.add_argument(
        "--baseline", choices=("noise", "gaussian"),
        help="no generator: noise, or a Gaussian fitted to the latents of --cache",
    )  # fmt: skip
    it.add_argument("--cache", metavar="DIR", help="of launch.prepare_data latents")
    it.add_argument("--count", type=int, default=16, help="how many samples (default: 16)")
    it.add_argument("--labels", metavar="N,N,...", help="classes in turn (default: all of them)")
    sampling.add_sampling(it)
    it.add_argument("--rate", type=float, default=8.0, help="frames per second (default: 8)")
    it.add_argument(
        "--lossless", action="store_true",
        help="films with the very pixels, for figures: H.264 of RGB, for players, not for browsers",
    )  # fmt: skip
    it.add_argument("--out", required=True, metavar="DIR", help="folder of the samples, or a URL")
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["extend"]:
        from launch import extend

        extend.main(argv[1:])
        return
    from launch import hosts  # its flags are of the command line

    args = parser().parse_args(argv)
    if args.count < 1:
        raise ValueError(f"--count is at least 1, got {args.count}.")
    if args.batch < 1:
        raise ValueError(f"--batch is at least 1, got {args.batch}.")
    if not 0 < args.rate <= 1000:
        raise ValueError(f"--rate is frames per second, above 0, at most 1000; got {args.rate}.")
    if args.cache and not args.baseline:
        raise ValueError(f"--cache {args.cache} is for --baseline.")
    if args.latents or args.baseline:
        for name in ("stage", "step", "labels", "steps", "solver", "guidance", "shift", "guided"):
            if getattr(args, name) is not None:
                raise ValueError(
                    f"--{name} is of a generator, and none draws here: leave it out, or name one "
                    "with --workdir or --generator."
                )
    hosts.connect()
    hosts.check_agreement(vars(args))
    _generate(args)


def _labels(text: str | None, generator: Any, count: int) -> Any:
    import numpy as np

    from pv_vae_jax.generation import drawing

    if text is None:
        return drawing.labels_in_turn(generator.classes, count)
    try:
        given = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"--labels {text}: whole numbers with commas between.") from error
    generator.check_labels(given)
    return np.resize(np.asarray(given, np.int32), count)


def _generate(args: argparse.Namespace) -> None:
    import jax

    from pv_vae_jax.evaluation import sample_pictures
    from pv_vae_jax.generation import filling
    from pv_vae_jax.generation.folder import SamplesFolder
    from pv_vae_jax.sharding import agreement

    drawn = out = SamplesFolder(args.out)
    mine = range(jax.process_index(), args.count, jax.process_count())
    if args.latents:
        drawn, vae = _drawn_before(args, mine)
    elif args.baseline:
        vae = _baseline(args, out, mine)
    else:
        vae = _draw(args, out, mine)
    filling.decode(out, drawn, vae, args.rate, mine, args.batch, args.lossless)
    agreement.wait("samples")
    if jax.process_index() == 0:
        sample_pictures.grid_of_folder(out, min(args.count, 16), args.rate)
        grid = out.where / "grid.png"
        print(f"{args.count} samples: {out.videos}, seen at once in {grid} and grid.mp4")


def _draw(args: argparse.Namespace, out: Any, mine: range) -> Any:
    """Draws what is missing of a generator's latents; returns what decodes them."""
    from pv_vae_jax.generation import filling

    generator, vae, config = sampling.loaded(args)
    how = sampling.settings(args, config)
    labels = _labels(args.labels, generator, args.count)
    filling.draw(out, generator, how, args.seed, labels, args.labels, mine, args.batch)
    return vae


def _drawn_before(args: argparse.Namespace, mine: range) -> tuple[Any, Any]:
    """A folder of latents, and the video VAE that shall decode them."""
    from launch import models
    from pv_vae_jax.generation.folder import SamplesFolder
    from pv_vae_jax.models import identity

    vae, _ = models.load(*sampling.named_vae(args))
    drawn = SamplesFolder(args.latents)
    known = drawn.about()["latents"]["identity"]
    identity.check(identity.identity(vae), known, f"the latents of {args.latents}")
    if missing := drawn.without_latents(mine):
        raise ValueError(
            f"{args.latents} has no latents of sample {missing[0]}: lower --count, or go on with "
            "the command that draws them."
        )
    return drawn, vae


def _baseline(args: argparse.Namespace, out: Any, mine: range) -> Any:
    """Draws what is missing without a generator; returns what decodes."""
    from launch import models
    from pv_vae_jax.data.latents import Latents
    from pv_vae_jax.generation import filling

    if not args.cache:
        raise ValueError("--baseline needs --cache DIR, made by launch.prepare_data latents.")
    vae, _ = models.load(*sampling.named_vae(args))
    filling.baseline(out, args.baseline, vae, Latents(args.cache, "train"), args.seed, mine)
    return vae


if __name__ == "__main__":
    door.run(main)
