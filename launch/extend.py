"""Continues clips by a generator's flow, beside the video VAE's own prediction."""

import argparse
import dataclasses
import json
from typing import Any

from launch import sampling

EPILOG = """\
OUT has table.md, results.json, and of the first clips strips and films: original, samples,
prediction.  What the flow knows of the past and what it does not: docs/generation.md.

examples:
  python -m launch.generate extend --workdir runs/latte --from data_cache/clips --observe 5 \\
      --out samples/extended
"""
SHOWN = 4  # clips with pictures


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.generate extend",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sampling.add_generator(it)
    it.add_argument("--from", dest="where", required=True, help="a folder, a list, or a video")
    it.add_argument(
        "--labels", default="", choices=("", "folder", "file"), help="of the videos: docs/data.md"
    )
    it.add_argument("--span", default="0:1", metavar="A:B", help="part of each video (0:1)")
    it.add_argument("--observe", type=int, required=True, help="frames that are seen, 1 + 4n")
    it.add_argument("--clips", type=int, default=16, help="how many (default: 16)")
    it.add_argument("--samples", type=int, default=4, help="of each clip (default: 4)")
    sampling.add_sampling(it)
    it.add_argument("--out", required=True, metavar="DIR", help="folder of the results, or a URL")
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    args = parser().parse_args(argv)
    for flag in ("clips", "samples", "batch"):
        if getattr(args, flag) < 1:
            raise ValueError(f"--{flag} is at least 1, got {getattr(args, flag)}.")
    import numpy as np
    import tqdm

    from pv_vae_jax.core import json_files, storage, trees
    from pv_vae_jax.evaluation import extension, pictures
    from pv_vae_jax.generation import drawing

    generator, vae, config = sampling.loaded(args)
    clips, labels = _clips(args, generator, vae)
    how = sampling.settings(args, config)
    drawn = drawing.Drawing(generator, args.seed, how)
    out, errors = storage.path(args.out), []
    storage.make_folder(out)
    for start in tqdm.tqdm(range(0, len(clips), args.batch), desc="extend", unit="batch"):
        rows = slice(start, start + args.batch)
        video = np.stack(clips[rows])
        found = extension.extended(
            drawn, vae, video, args.observe, args.samples,
            None if labels is None else labels[rows], start,
        )  # fmt: skip
        errors.append(found.errors(args.observe))
        for i in range(max(0, min(SHOWN - start, len(video)))):
            shown = {"original": video[i]}
            shown |= {f"sample {n}": each[i] for n, each in enumerate(found.samples[:3])}
            shown["VAE's prediction"] = found.predict[i]
            withheld = {label: args.observe for label in shown if label != "original"}
            pictures.strip(out / f"{start + i:03d}.png", shown, withheld)
            pictures.film(out / f"{start + i:03d}.mp4", shown, 8.0, withheld)
    about = {
        "clips": len(clips), "frames": len(clips[0]), "observe": args.observe,
        "samples": args.samples, "seed": args.seed, "sampling": dataclasses.asdict(how),
        "generator": generator.config, "parameters": trees.digest(generator.params),
    }  # fmt: skip
    figures = extension.figures(errors)
    table = extension.text(figures, about)
    values = json_files.finite(about | {name: vars(pair) for name, pair in figures.items()})
    storage.write(out / "results.json", json.dumps(values, indent=1, allow_nan=False) + "\n")
    storage.write(out / "table.md", table + "\n")
    print(table)


def _clips(args: argparse.Namespace, generator: Any, vae: Any) -> tuple[list, Any]:
    """The clips, of the form of the generator's latents, and their labels."""
    import numpy as np

    from pv_vae_jax.core import dims
    from pv_vae_jax.data.clips import Draw
    from pv_vae_jax.data.sources import VideoFiles

    groups, rows, columns, _ = generator.latents.shape
    frames = dims.frames_of(groups, vae.spec.temporal)
    size = rows * vae.spec.spatial, columns * vae.spec.spatial
    span = sampling.pair("span", args.span, "two fractions")
    source = VideoFiles(args.where, span, labels=args.labels).of_length(frames)
    known = generator.latents.classes
    if source.classes and known and tuple(source.classes) != tuple(known):
        raise ValueError(
            f"--from {args.where}: the videos have the classes {', '.join(source.classes)}, the "
            f"generator knows {', '.join(known)}."
        )
    if len(source) < args.clips:
        raise ValueError(f"--clips {args.clips}: {args.where} has {len(source)}.")
    order = np.linspace(0, len(source) - 1, args.clips).round().astype(int)
    found = [source.clip(int(j), Draw(), frames, *size) for j in order]
    if not generator.classes:
        return [clip.video for clip in found], None
    labels = np.array([clip.label for clip in found], np.int32)
    generator.check_labels(labels)
    return [clip.video for clip in found], labels
