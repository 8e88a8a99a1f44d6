"""Prepares videos for training: shots, shrunk and coded anew, as ArrayRecord shards.

    python -m launch.prepare_data --from=/path/to/videos --out=/path/to/shards
    python -m launch.prepare_data --tfds=ucf101/ucf101_1:2.0.0 --tfds_held_out=test --out=...
    python -m launch.train --config=... --config.data.shards=/path/to/shards

Shots are found, static and black pieces dropped, sources (or, with --by=time, the time of each)
split into train and held_out; manifest
and counts say what became of every file (docs/data.md).  A killed run goes on with the same command
and ends with the same bytes, whatever the number of workers.  With --beam the same is done as an
Apache Beam pipeline; arguments after -- are Beam's (--runner=DirectRunner and so on).

    python -m launch.prepare_data latents --help

encodes videos, shards or rendered clips once, for the training of a generator.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Any

from launch import door

HELP = {
    "frames": "frames of a record",
    "shortest": "fewest frames of a record; shorter rests of a shot are dropped",
    "side": "shorter side in pixels; smaller films keep their size",
    "cut": "how far a change stands out among its neighbours to be a cut (PySceneDetect)",
    "clear": "change in grey levels that is a cut whatever is around it, 256 for never",
    "black": "largest share of black frames in a record, 1 keeps all",
    "static": "least change within a record in grey levels of 255, 0 keeps all",
    "held_out": "share of the sources, or of the time of each, for the split held_out",
    "by": "source: each is on one side whole; time: the last frames of each are held out",
    "first": "frame of each source, the first that is used",
    "end": "frame of each source, the first after those that are used, 0 for all",
    "codec": "h264 or jpeg",
    "crf": "quality of H.264, 0 to 51, smaller is better",
    "group": "frames of a group of pictures of H.264",
    "quality": "quality of JPEG, 1 to 100",
    "shard_bytes": "about how large a shard is",
    "shards": "shards of each split, 0 for as many as shard_bytes asks for",
}


def _parser() -> argparse.ArgumentParser:
    from pv_vae_jax.data.prepare.pieces import Rules

    parser = argparse.ArgumentParser(prog="python -m launch.prepare_data", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--from",
        dest="where",
        help="a folder, a list (a path a line; .csv, .tsv, .jsonl with labels), or a video; a path "
        "or a URL",
    )
    where.add_argument("--tfds", help="a set that TFDS has prepared, NAME/CONFIG:VERSION")
    parser.add_argument(
        "--labels",
        default="",
        choices=("", "folder", "file"),
        help="folder: names of class folders; file: each file is a class",
    )
    parser.add_argument("--tfds_split", default="train", help="the split (default: train)")
    parser.add_argument("--tfds_held_out", default="", help="a split that is held out whole")
    parser.add_argument(
        "--tfds_features", action="append", default=[], metavar="ROLE=FEATURE",
        help="pixels, label or caption, where the guess would be wrong",
    )  # fmt: skip
    parser.add_argument(
        "--tfds_rate", type=float, default=25.0, help="frames per second of a set of frames (25)"
    )
    parser.add_argument("--out", required=True, help="folder of the shards, or its URL")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    parser.add_argument("--quiet", action="store_true", help="shows no bar")
    parser.add_argument("--beam", action="store_true", help="runs as an Apache Beam pipeline")
    for field in dataclasses.fields(Rules):
        parser.add_argument(
            f"--{field.name}",
            type=field.type,
            default=field.default,
            help=f"{HELP[field.name]} (default: {field.default})",
        )
    return parser


def _sources(options: argparse.Namespace) -> tuple[list, tuple[str, ...]]:
    """The items, and the names of their classes."""
    from pv_vae_jax.data import tfds_source
    from pv_vae_jax.data.prepare import items

    if not options.tfds:
        return items.of(options.where, options.labels)
    features = dict(each.partition("=")[::2] for each in options.tfds_features)
    if set(features) - set(tfds_source.ROLES):
        raise ValueError(
            f"--tfds_features={options.tfds_features[0]}: write it as ROLE=FEATURE, with one of "
            f"the roles {', '.join(tfds_source.ROLES)}."
        )
    if options.tfds_held_out and options.by == "time":
        raise ValueError("--tfds_held_out holds a split out whole: leave out --by=time, or it.")
    if options.tfds_rate <= 0:
        raise ValueError(f"--tfds_rate is frames per second, above 0; got {options.tfds_rate}.")
    return items.of_tfds(
        options.tfds, options.tfds_split, options.tfds_held_out, features, options.tfds_rate
    )


def report(counts: dict[str, Any], out: str) -> str:
    """What became of the sources, in a few lines."""
    sources, lines = counts["sources"], []
    lines.append(f"{sources['used']} sources used, {sources['refused']} refused.")
    for split, records in counts["records"].items():
        frames, size = counts["frames"][split], counts["bytes"][split] / 1e6
        lines.append(f"{split}: {records} records, {frames} frames, {size:.1f} MB.")
    for reason, frames in sorted(counts["frames_dropped"].items()):
        pieces = counts["pieces_dropped"][reason]
        lines.append(f"dropped, {reason}: {frames} frames in {pieces} pieces.")
    if any(counts["records"].values()):
        lines.append(f"{out} is ready: --config.data.shards={out}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """The door."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["latents"]:
        from launch import prepare_latents

        return prepare_latents.main(given[1:])
    ours, theirs = given, []
    if "--" in given:
        ours, theirs = given[: given.index("--")], given[given.index("--") + 1 :]
    options = _parser().parse_args(ours)
    if theirs and not options.beam:
        raise ValueError(f"arguments after -- are those of Beam, and need --beam: {theirs}.")
    if options.workers < 1:
        raise ValueError(f"--workers is a number from 1, got {options.workers}.")
    from pv_vae_jax.data import shard_index
    from pv_vae_jax.data.prepare import assemble, pieces

    names = [field.name for field in dataclasses.fields(pieces.Rules)]
    rules = pieces.Rules(**{name: getattr(options, name) for name in names})
    sources, classes = _sources(options)
    if options.beam:
        from pv_vae_jax.data.prepare import beam

        counts = beam.prepare(sources, options.out, rules, theirs)
    else:
        from pv_vae_jax.data.prepare import run

        counts = run.prepare(sources, options.out, rules, options.workers, not options.quiet)
    shard_index.keep_classes(assemble.folder_of(options.out), classes)
    print(report(counts, options.out))
    if not any(counts["records"].values()):
        raise ValueError(
            f"{options.out} holds no record: all pieces were dropped, for the reasons above; "
            "prepare into another --out with other rules."
        )
    return 0


if __name__ == "__main__":
    door.run(main)
