"""Encodes clips once, and keeps mean and log-variance of their latents for a generator.

    python -m launch.prepare_data latents --model exports/demo.npz --from /path/to/videos
        --labels folder --frames 17 --height 256 --width 256 --out /path/to/latents
    python -m launch.train --config=configs/latte_ucf101.py --config.data.latents=/path/to/latents

The folder says whose latents it holds; a generator is trained only with that model (its decoder
alone may change).  A killed run goes on with the same command and ends with the same bytes; several
hosts share the folder (docs/data.md).
"""

import argparse
import os
from typing import Any

from launch import door, models

EPILOG = """\
exit code: 0 if all was encoded, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from absl.flags import argparse_flags

    it = argparse_flags.ArgumentParser(
        prog="python -m launch.prepare_data latents",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.add_arguments(it)
    what = it.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--from",
        dest="where",
        metavar="WHERE",
        help="videos: a folder, a list (docs/data.md), or one; a path or a URL",
    )
    what.add_argument("--shards", metavar="FOLDER", help="that launch.prepare_data made")
    what.add_argument(
        "--rendered", type=int, metavar="N", help="so many photographs in motion, made on the fly"
    )
    it.add_argument("--world", default="photographs", help="of --rendered; or smooth")
    it.add_argument("--out", required=True, metavar="DIR", help="folder of the latents, or its URL")
    it.add_argument("--frames", type=int, required=True, help="of a clip, 1 + 4n")
    it.add_argument("--height", type=int, required=True, help="of a clip, in pixels")
    it.add_argument("--width", type=int, required=True, help="of a clip, in pixels")
    it.add_argument("--stride", type=int, default=1, help="source frames per frame of a clip (1)")
    it.add_argument(
        "--draws",
        type=int,
        default=1,
        help="how often each clip of the source is drawn; 1, the default: the start of its slot "
        "and the centre crop; more: drawn starts and crops of full size",
    )
    it.add_argument("--flip", action="store_true", help="encodes each clip mirrored, too")
    it.add_argument(
        "--labels",
        default="",
        choices=("", "folder", "file"),
        help="of videos: those of a list (default), the names of their folders, or each file a "
        "class",
    )
    it.add_argument(
        "--held_out",
        type=float,
        default=0.1,
        help="the last part of each video, or of the rendered clips, for the split held_out (0.1); "
        "0 for none; --shards has splits of its own",
    )
    it.add_argument(
        "--dtype", default="float16", choices=("float16", "bfloat16"), help="of what is kept"
    )
    it.add_argument("--batch", type=int, default=4, help="clips at once on each device (4)")
    it.add_argument(
        "--threads", type=int, default=min(16, os.cpu_count() or 1), help="that decode videos"
    )
    it.add_argument("--seed", type=door.seed, default=0, help="of --draws above 1 (0)")
    it.add_argument("--records_per_shard", type=int, default=512, help="(512)")
    it.add_argument("--quiet", action="store_true", help="shows no bar")
    return it


def _sources(args: argparse.Namespace, span: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sources by split, for clips of ``span`` frames, and what the index says of them."""
    import jax

    from pv_vae_jax.data import shard_index, shards, sources

    if not 0.0 <= args.held_out < 1.0:
        raise ValueError(f"--held_out is a share from 0 and below 1, got {args.held_out}.")
    if args.labels and args.where is None:
        raise ValueError(f"--labels {args.labels} is for videos (--from): nothing else has files.")
    every = span - 1 or 16
    if args.where is not None:
        kept, first = 1.0 - args.held_out, jax.process_index() == 0
        spans = {"train": (0.0, kept)} | ({"held_out": (kept, 1.0)} if args.held_out else {})
        found = {
            split: sources.VideoFiles(args.where, part, every, first, args.labels)
            for split, part in spans.items()
        }
        about = {"from": args.where, "labels": args.labels, "held_out": args.held_out}
    elif args.shards is not None:
        splits = shard_index.read(os.path.expanduser(args.shards))["splits"]
        records = {name: sum(s["records"] for s in splits[name]["shards"]) for name in splits}
        found = {
            split: shards.Shards(args.shards, split, every)
            for split in shard_index.SPLITS
            if split == "train" or records[split]
        }
        about = {"shards": args.shards}
    else:
        if args.draws > 1:
            raise ValueError(
                f"--draws {args.draws}: a rendered clip is always the same; for more of them "
                f"give --rendered {args.rendered * args.draws}."
            )
        found = {"train": sources.Rendered("train", args.rendered, args.world)}
        if held_out := round(args.rendered * args.held_out):
            found["held_out"] = sources.Rendered("held_out", held_out, args.world)
        about = {"rendered": args.rendered, "world": args.world, "held_out": args.held_out}
    try:
        found = {split: source.of_length(span) for split, source in found.items()}
    except FileNotFoundError as error:
        raise ValueError(
            f"no video is long enough for --frames {args.frames} --stride {args.stride} in each of "
            f"its parts, train and held_out (--held_out {args.held_out}; 0 for none): {error}"
        ) from error
    versions = [digest for source in found.values() if (digest := source.sha256)]
    return found, about | {"version": versions}


def report(index: dict[str, Any], out: str, fresh: bool) -> str:
    """What there is, in a few lines."""
    lines = [] if fresh else [f"{out} was finished before: nothing was to do."]
    labels = f"{index['labels']} classes" if index["labels"] else "no classes"
    for split in (split for split in ("train", "held_out") if split in index["splits"]):
        found = index["splits"][split]
        size = sum(shard["bytes"] for shard in found["shards"]) / 1e6
        lines.append(f"{split}: {found['records']} records, {labels}, {size:.1f} MB.")
        if found["refused"]:
            lines.append(f"{split}: {len(found['refused'])} files or records are not used.")
        if skipped := found["skipped"]:
            keys = sorted(skipped, key=lambda key: int(key.split("/")[1]))[:3]
            told = "; ".join(skipped[key] for key in keys)
            more = f"; and {len(skipped) - 3} more" * (len(skipped) > 3)
            lines.append(f"{split}: {len(skipped)} clips cannot be read: {told}{more}.")
    moments = index["moments"]
    lines.append(
        f"normalised latents: mean {moments['mean']:.4f}, standard deviation "
        f"{moments['std']:.4f} (0 and 1 where the statistics of the model fit these clips)."
    )
    return "\n".join([*lines, f"{out} is ready: --config.data.latents={out}"])


def main(argv: list[str]) -> int:
    """The door."""
    from launch import hosts  # its flags are of the command line

    args = parser().parse_args(argv)
    hosts.connect()
    hosts.check_agreement(vars(args))
    import jax

    from pv_vae_jax.generation.caching.clips import Clips
    from pv_vae_jax.generation.caching.run import Caching

    names = ("frames", "height", "width", "stride", "draws", "flip", "seed")
    clips = Clips(**{name: getattr(args, name) for name in names})
    vae, _ = models.load(args.model, args.weights)
    vae.spec.latent_shape(clips.frames, clips.height, clips.width)  # before files are probed
    sources, about = _sources(args, clips.span)
    cache = Caching(vae, sources, clips, about, args.out, args.dtype, args.records_per_shard)
    hosts.check_agreement(cache.request)
    index, fresh = cache.run(args.batch, args.threads, not args.quiet)
    if jax.process_index() == 0:
        print(report(index, args.out, fresh))
    return 0
