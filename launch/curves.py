"""Draws the curves of one or several runs into a picture, from their metrics.jsonl.

    python -m launch.curves --workdir runs/whole runs/plain --out curves.png
    python -m launch.curves --workdir runs/whole --out logits.svg --values discriminator/real gan

Without --values: terms, logits, gradients at the last layer, skipped updates, held-out figures.
TensorBoard (workdir/tensorboard) shows the same while a run goes.
"""

import argparse

from launch import door


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    it = argparse.ArgumentParser(
        prog="python -m launch.curves",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--workdir", nargs="+", required=True, metavar="DIR", help="folders of runs")
    it.add_argument("--out", required=True, metavar="FILE", help=".png or .svg; replaced")
    it.add_argument("--values", nargs="+", metavar="NAME", help="each in a panel of its own")
    args = it.parse_args(argv)
    from pv_vae_jax.evaluation import curves

    if not args.out.endswith((".png", ".svg")):
        raise ValueError(f"--out {args.out} is a picture: let its name end in .png or .svg.")
    panels = curves.PANELS
    if args.values:
        panels = tuple(curves.Panel(name, (name,)) for name in args.values)
    histories = [curves.read(folder) for folder in args.workdir]
    there = sorted({name for history in histories for name in history.values})
    if unknown := [name for name in args.values or () if name not in there]:
        raise ValueError(f"--values {unknown[0]}: the runs have {', '.join(there)}.")
    try:
        curves.draw(args.out, histories, panels)
    except ModuleNotFoundError as error:
        raise ValueError('curves are drawn by matplotlib: pip install -e ".[plots]".') from error
    print(args.out)


if __name__ == "__main__":
    door.run(main)
