"""Makes the pictures of the documentation anew, from the code that they show."""

import argparse
import pathlib

from launch import door

EPILOG = """\
names:
  withholding    masks of every kind, latents after every padding (docs/withholding.md)

examples:
  python -m launch.figures withholding
  python -m launch.figures withholding --out /tmp/pictures --seed 3

exit code: 0 if the pictures were written, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.figures",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("name", choices=("withholding",), help="which pictures")
    it.add_argument("--out", default="docs", metavar="DIR", help="folder; default: docs")
    it.add_argument(
        "--seed", type=door.seed, default=0, metavar="N", help="of the clip and the masks"
    )
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    args = parser().parse_args(argv)
    from pv_vae_jax.evaluation import withholding_pictures

    for path in withholding_pictures.write(pathlib.Path(args.out), args.seed):
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    door.run(main)
