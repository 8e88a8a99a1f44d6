"""One static page of what analyses, evaluations and runs found, side by side.

python -m launch.analyse report findings results/small runs/latte --out page
"""

import argparse
import shlex
from collections.abc import Sequence

EPILOG = """\
OUT/index.html opens from a file and asks nothing of a network; films lie in OUT/media (H.264 and
VP9), all numbers in OUT/data (JSON).  The template library is the optional part [report].

exit code: 0 if the page was written, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.analyse report",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "folders",
        nargs="+",
        metavar="DIR",
        help="of launch.analyse, of launch.evaluate, of analyse correlation, or of runs",
    )
    it.add_argument("--title", default=None, help="of the page")
    it.add_argument("--out", required=True, metavar="DIR", help="folder of the page, or a URL")
    return it


def main(argv: list[str]) -> None:
    """Writes the page; ``argv`` is what follows `report`."""
    args = parser().parse_args(argv)
    command = shlex.join(["python", "-m", "launch.analyse", "report", *argv])
    write(args.folders, args.out, command, args.title)


def write(folders: Sequence[str], out: str, command: str, title: str | None = None) -> None:
    """Writes the page of some folders, and says where it is.

    Raises:
      ValueError: a folder holds nothing to show, or the part [report] is not installed.
    """
    from pv_vae_jax.analysis import report

    try:
        page = report.write(folders, out, title or report.TITLE, command)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"a report wants {error.name}, of the optional part [report]: "
            'pip install -e ".[report]".'
        ) from error
    print(f"report: {page}")
