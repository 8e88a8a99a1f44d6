"""Runs a study: variants by seeds, from video VAE to generator, samples, figures and analyses.

python -m launch.study --study configs/study_table_4.py:small --root studies --out results --jobs 2
"""

import argparse
import json
import pathlib
import runpy
import sys
from typing import Any

from launch import door

EPILOG = """\
ROOT has a folder for each step (what two cells need alike is made once), OUT the result of each
cell: VARIANT/SEED.json with figures, commands and times, its model, and STUDY.md, STUDY.json.  The
same command goes on where a killed one was, and makes the table anew once all is done.  --jobs runs
so many steps at once, each on its share of the cores: on CPUs one a core is faster than one on all.

A fleet spreads a study by --part: cells that share a step are in the same part; give each part its
own ROOT, and all the same OUT.

examples:
  python -m launch.study --study configs/study_table_4.py:tiny --root R --out O --jobs 2
  python -m launch.study --study configs/study_table_4.py:small --root R --out O --list
  python -m launch.study --study configs/study_table_4.py:small --root R --out O --cells baseline/0

exit code: 0 if all is done, 1 if a step failed (its log is named), 2 after an error, 130 stopped.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.study",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "--study", required=True, metavar="FILE[:ARGUMENT]", help="a config with get_study"
    )
    it.add_argument("--root", metavar="DIR", help="folder of the steps; not needed by --table")
    it.add_argument("--out", required=True, metavar="DIR", help="folder of the results")
    it.add_argument("--cells", nargs="+", default=[], metavar="VARIANT[/SEED]", help="only these")
    it.add_argument("--part", default="0/1", metavar="I/N", help="part I of N, from 0")
    it.add_argument("--jobs", type=int, default=1, metavar="N", help="steps at once (default: 1)")
    what = it.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="shows the grid and runs nothing")
    what.add_argument("--commands", action="store_true", help="prints the commands of the cells")
    what.add_argument("--table", action="store_true", help="makes the table of what is in OUT")
    return it


def read(named: str) -> Any:
    """The study of ``FILE[:ARGUMENT]``.

    Raises:
      ValueError: the file has no ``get_study``, or does not take the argument.
      FileNotFoundError: there is no such file.
    """
    file, colon, argument = named.partition(":")
    if not pathlib.Path(file).is_file():
        raise FileNotFoundError(f"--study {file}: there is no such file.")
    made = runpy.run_path(file).get("get_study")
    if made is None:
        raise ValueError(f"--study {file} is no study: it has no get_study.")
    return made(argument) if colon else made()


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    told = parser()
    args = told.parse_args(argv)
    if args.root is None and not args.table:
        told.error("the following arguments are required: --root")
    from pv_vae_jax.core import storage
    from pv_vae_jax.study import grid, results, running

    running.cores_of(args.jobs)  # or a sentence
    whole = read(args.study)
    study = whole.chosen(args.cells) if args.cells else whole
    index, _, count = args.part.partition("/")
    if not index.isdigit() or not count.isdigit() or int(index) >= int(count):
        raise ValueError(f"--part is I/N, such as 0/4, I below N; got {args.part!r}.")
    for flag in ("root", "out"):
        if storage.is_url(getattr(args, flag) or ""):
            raise ValueError(
                f"--{flag} {getattr(args, flag)}: a study lies in folders of this machine, or in "
                "those that several machines mount."
            )
    study = study if args.part == "0/1" else study.part(int(index), int(count))
    out = pathlib.Path(args.out)
    if args.table:
        if study is not whole:
            raise ValueError(
                "--table is of all cells that have results: leave out --cells and --part."
            )
        _table(whole, out)
        return
    if args.commands:
        for cell in study.cells:
            print(f"# {cell.name}")
            for step in cell.ordered():
                print(step.typed(args.root))
        return
    root = pathlib.Path(args.root)
    results.read(study, out)  # or a sentence, where OUT has results of other studies
    kept = {cell.name for cell in study.cells if results.kept(study, cell, root, out)}
    missing = [cell.name for cell in study.cells if cell.name not in kept]
    left = study.chosen(missing) if missing else None
    print(grid.text(study, root, kept))
    if args.list:
        print(f"time left: {grid.clock(grid.seconds_left(left, root, args.jobs))} h")
        return
    out.mkdir(parents=True, exist_ok=True)
    lost = _run(left, root, out, args.jobs) if left is not None else []
    kept = {cell.name for cell in study.cells if results.kept(study, cell, root, out)}
    print(grid.text(study, root, kept, lost))
    if kept:
        _table(whole, out)
    sys.exit(1 if lost else 0)


def _run(study: Any, root: pathlib.Path, out: pathlib.Path, jobs: int) -> list[Any]:
    """Runs the cells of a study, keeps the result of each that ends; returns the failed steps."""
    import signal

    import tqdm

    from pv_vae_jax.study import grid, results, running

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stopped)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # not under nohup
        signal.signal(signal.SIGHUP, stopped)
    steps = running.steps_of(study)
    missing = [step for step in steps if running.done(root, step) is None]
    waiting, left = list(study.cells), grid.clock(grid.seconds_left(study, root, jobs))

    def keep() -> None:
        for cell in list(waiting):
            if all(running.done(root, step) is not None for step in cell.ordered()):
                bar.write(f"{cell.name}: {results.write(study, cell, root, out)}")
                waiting.remove(cell)

    def ended(step: Any) -> None:
        nonlocal left
        left = grid.clock(grid.seconds_left(study, root, jobs))
        bar.update()
        keep()

    def failed(step: Any, log: str) -> None:
        bar.write(f"failed: {step.kind}, {root / step.folder / running.LOG}\n{log}")

    def tick(now: list[Any]) -> None:
        told = ", ".join(step.kind for step in now) or "waiting for steps of another study"
        bar.set_postfix_str(f"{left} h left; {told}", refresh=False)
        bar.update(0)  # shown where enough time has passed

    form = {"bar_format": "{desc} {n}/{total} |{bar}| {elapsed} {postfix}", "miniters": 0}
    form["mininterval"] = 1 if sys.stderr.isatty() else 60
    done = len(steps) - len(missing)
    with tqdm.tqdm(total=len(steps), initial=done, desc="steps", **form) as bar:
        keep()
        try:
            return running.run(study, root, running.cores_of(jobs), ended, failed, tick)
        except KeyboardInterrupt:
            bar.write("stopped; the same command goes on.")
            raise


def _table(study: Any, out: pathlib.Path) -> None:
    from pv_vae_jax.analysis.drawing import possible
    from pv_vae_jax.core import storage
    from pv_vae_jax.study import drawing, results, table

    found = results.read(study, out)
    if old := results.outdated(study, out):
        print(f"left out, since their configs have changed since they ran: {', '.join(old)}")
    for name, figures in results.incomplete(study, out).items():
        print(
            f"{name} was made by a study that asked for less: {', '.join(figures)} are missing; "
            f"without its file in {out} it is made anew."
        )
    if not found:
        raise ValueError(f"--out {out} has no results of study {study.name}.")
    if study.control not in found:  # the first row that is there takes its place
        study = study.chosen([f"{variant}/{seed}" for variant in found for seed in found[variant]])
    told = table.text(study, found)
    print(told)
    storage.write(out / f"{study.name}.md", told + "\n")
    storage.write(
        out / f"{study.name}.json", json.dumps(table.numbers(study, found), indent=1) + "\n"
    )
    if possible():
        print(f"table and figure: {out} ({', '.join(drawing.draw(study, found, out))})")
    else:
        print(f'table: {out}; its figure is drawn by matplotlib: pip install -e ".[plots]".')


if __name__ == "__main__":
    door.run(main)
