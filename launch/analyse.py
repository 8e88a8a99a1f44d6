"""What latents know: principal components and flow, distance in time, prediction, films, probes.

python -m launch.analyse --model plain.npz predictive.npz --protocol small-ltd --out f --page page
python -m launch.analyse correlation plain:findings/a=runs/a predictive:findings/b=runs/b ...
python -m launch.analyse report findings results/small --out page
"""

import argparse
import datetime
import json
import shlex
import sys
from typing import Any

from launch import door, models, probes, report

EPILOG = """\
Each model gets a folder OUT/LABEL, LABEL being its name or that of its file: a finding.json for
each analysis (pca, ltd, prediction, videos, probes_latents; with --generator probes_features) with
figures, protocol and command, and the films; OUT has the table and the figures over all models
(PNG, SVG; matplotlib, the optional part [plots]).  The same command goes on after a kill, and
computes nothing once it is done.  docs/analyses.md tells what each shows.

examples:
  python -m launch.analyse --model plain.npz predictive.npz --protocol small-ltd --out findings
  python -m launch.analyse --model wan2.2 --weights Wan2.2_VAE.pth --protocol k400-ltd \\
      --data /data/k400 --only ltd --out findings
  python -m launch.analyse --model mine.npz --protocol small-ltd --set datasets=rendered \\
      --flow exact --out findings

exit code: 0 if all was analysed, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from absl.flags import argparse_flags

    it = argparse_flags.ArgumentParser(
        prog="python -m launch.analyse",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "--model", nargs="+", required=True, metavar="EXPORT|NAME", help="as launch.reconstruct's"
    )
    models.add_protocol(it, "small-ltd, k400-ltd, ...")
    it.add_argument("--only", metavar="NAMES", help="some of pca,ltd,prediction,videos,probes")
    it.add_argument(
        "--flow",
        default="dis",
        metavar="dis|exact|DIR",
        help="OpenCV's (default), that of rendered scenes, or files of your own, such as RAFT's",
    )
    it.add_argument(
        "--basis",
        default="video",
        metavar="video|shared",
        help="of the colours of principal components: of each video (default), or of all",
    )
    it.add_argument("--show", type=int, default=8, metavar="N", help="videos as films (default: 8)")
    it.add_argument("--batch", type=int, default=1, help="clips at once on each device")
    probes.add_arguments(it)
    it.add_argument("--out", required=True, metavar="DIR", help="folder of the findings, or a URL")
    it.add_argument("--page", metavar="DIR", help="and one page of them (launch.analyse report)")
    return it


def correlation_parser() -> argparse.ArgumentParser:
    """The command line of `correlation`."""
    it = argparse.ArgumentParser(
        prog="python -m launch.analyse correlation",
        description="Error of prediction of video VAEs against the FVD of generators on their "
        "latents, and FVD against the training of either (docs/analyses.md).",
    )
    it.add_argument(
        "points",
        nargs="+",
        metavar="[SERIES:]MODEL=GENERATION",
        help="a model's folder of findings, and a generator's run or its result of launch.evaluate",
    )
    it.add_argument("--figure", default="fvd", help="fvd or kvd (default: fvd)")
    it.add_argument("--out", required=True, metavar="DIR", help="for JSON, Markdown and figures")
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["correlation"]:
        command = shlex.join(["python", "-m", "launch.analyse", *argv])
        _correlation(correlation_parser().parse_args(argv[1:]), command)
        return
    if argv[:1] == ["report"]:
        report.main(argv[1:])
        return
    from launch import hosts  # its flags are of the command line

    args = parser().parse_args(argv)
    hosts.connect()
    hosts.check_agreement(vars(args))
    _analyse(args, shlex.join(["python", "-m", "launch.analyse", *argv]))


def _analyse(args: argparse.Namespace, command: str) -> None:
    import jax

    from pv_vae_jax.analysis import analyse, finding, tables
    from pv_vae_jax.core import fields, storage
    from pv_vae_jax.evaluation import protocol

    used = protocol.named(args.protocol).changed(args.set)
    labels = [models.label_of(subject) for subject in args.model]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two models have the label {label}: name their files otherwise.")
    only = args.only.split(",") if args.only else [*analyse.NAMES, probes.NAME]
    probes.check(args, probes.NAME in only)
    data = fields.by_name(args.data, used.datasets, "--data")
    weights, generators = (
        fields.by_name(given, args.model, flag)
        for given, flag in ((args.weights, "--weights"), (args.generator, "--generator"))
    )
    setup = analyse.Setup(
        used,
        data,
        storage.path(args.out),
        only=[name for name in only if name != probes.NAME],
        flow=args.flow,
        basis=args.basis,
        shown=args.show,
        batch=args.batch,
        command=command,
    )
    probing = probes.setup(args, used, data, command) if probes.NAME in only else None
    findings = []
    for subject, label in zip(args.model, labels, strict=True):
        vae, about = models.load(subject, weights.get(subject))
        about |= {"label": label}
        findings += analyse.analyse(setup, vae, about)
        if probing is not None and jax.process_index() == 0:
            findings += probes.probed(args, probing, vae, about, generators.get(subject))
    if jax.process_index() == 0:
        known = {each.name: each for each in reversed(findings)}
        others = finding.beside(setup.out, labels)
        text = tables.compared([*findings, *others])
        if text:
            storage.write(setup.out / "table.md", text + "\n")
            print(text)
        alike = [
            each for each in others
            if each.name in known and not tables.differences(known[each.name], each)
        ]  # fmt: skip
        _drawn(setup.out, lambda drawing: drawing.draw(setup.out, [*findings, *alike]))
        if args.page:
            report.write([args.out], args.page, command)


def _drawn(out: Any, draw: Any) -> None:
    from pv_vae_jax.analysis import drawing

    if drawing.possible():
        print(f"findings and figures: {out} ({', '.join(draw(drawing))})")
    else:
        print(
            f"findings: {out}; their figures are drawn by matplotlib: "
            'pip install -e ".[plots]", then the same command again.'
        )


def _correlation(args: argparse.Namespace, command: str) -> None:
    from pv_vae_jax.analysis import correlation
    from pv_vae_jax.core import storage
    from pv_vae_jax.evaluation import convergence

    points = correlation.points(args.points, args.figure)
    known = correlation.values(points, args.figure)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    known |= {"command": command, "date": now}
    told = correlation.text(known)
    runs = [point.generator for point in points if point.generator is not None]
    if len(runs) > 1:
        told += "\n\n" + convergence.text(convergence.compared(runs, args.figure), args.figure)
    print(told)
    out = storage.path(args.out)
    storage.make_folder(out)
    storage.write(out / "correlation.json", json.dumps(known, indent=1, allow_nan=False) + "\n")
    storage.write(out / "correlation.md", told + "\n")

    def draw(_: Any) -> list[str]:
        names = correlation.draw(out, known)
        if len(runs) > 1:
            convergence.draw(out, runs, args.figure)
            names += ["convergence.png", "convergence.svg"]
        return names

    _drawn(out, draw)


if __name__ == "__main__":
    door.run(main)
