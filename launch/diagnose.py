"""Looks for faults of a model that means over videos hide: seams, grids, how far it sees."""

import argparse
import json

from launch import door, models

EPILOG = """\
Written into OUT:
  seams.png         how far the reconstruction in chunks, and in tiles (--tile), is from that of the
                    whole clip, by column, row and frame; a seam is a peak at a cut
  spectrum.png      what the model adds to clips of one colour, and how much of it repeats with the
                    period of its latents or patches
  diagnostics.json  the figures, with the receptive field of a latent and of a pixel

Memory against length: python -m launch.bench long.

examples:
  python -m launch.diagnose --model exports/demo.npz --out faults/
  python -m launch.diagnose --model exports/demo.npz --input a.mp4 --out faults/ --size 256 \\
      --tile 128x128

exit code: 0 if the files were written, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.diagnose",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.add_arguments(it)
    it.add_argument("--input", metavar="FILM", help="a video file (default: a rendered clip)")
    it.add_argument("--out", required=True, metavar="DIR", help="folder of the results, made")
    it.add_argument("--frames", type=int, default=17, metavar="T", help="of the clip, 1 + 4n (17)")
    it.add_argument("--size", type=int, default=128, metavar="S", help="rows and columns (128)")
    it.add_argument("--piece", type=int, default=2, metavar="n", help="latent steps of a chunk (2)")
    models.add_tiles(it)
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    args = parser().parse_args(argv)
    from pv_vae_jax.core import storage
    from pv_vae_jax.evaluation import (
        any_size,
        diagnostic_pictures,
        receptive_field,
        seams,
        spectrum,
    )

    vae, model = models.load(args.model, args.weights)
    tiled = models.tiled(vae, args)
    vae.spec.latent_shape(args.frames, args.size, args.size)
    if args.piece < 1:
        raise ValueError(f"--piece is at least 1 latent step, got {args.piece}.")
    out, clip = storage.path(args.out), _clip(args, vae.spec.temporal)
    way = any_size.way(vae.spec, args.frames)
    cuts = {f"chunks ({way})": seams.of_chunks(vae, clip, args.piece)}
    if tiled is not vae:
        form = "blended" if args.blend else "exact"
        cuts[f"tiles of {args.tile} ({form})"] = seams.of_tiles(vae, tiled, clip)
    colours = spectrum.of_colours(vae, args.frames, args.size)
    fields = receptive_field.of_model(vae, args.frames, args.size)
    report = {
        "model": model,
        "clip": [args.frames, args.size, args.size],
        "seams": {label: one.figures() for label, one in cuts.items()},
        "one_colour": {
            "deviation": colours.deviation,
            "repeats_every": colours.shares,
            "white_noise": colours.noise,
        },
        "receptive_field": fields,
    }
    storage.make_folder(out)
    try:
        diagnostic_pictures.seams(out / "seams.png", cuts)
        diagnostic_pictures.spectrum(out / "spectrum.png", colours)
    except ModuleNotFoundError as error:
        raise ValueError('pictures are drawn by matplotlib: pip install -e ".[plots]".') from error
    text = json.dumps(report, indent=1, allow_nan=False)
    storage.write(out / "diagnostics.json", text + "\n")
    for label, one in cuts.items():
        print(f"{label}: {one.decibels:.1f} dB from the whole clip")
    print(f"one colour: {colours.deviation:.3g} of 255 levels added; of its power repeats")
    for period, share in colours.shares.items():
        print(f"  every {period} pixels {share:.1%} (white noise: {colours.noise[period]:.2%})")
    print("receptive field, before and behind (None: to the edge of this clip)")
    for name, axes in fields.items():
        sees = ", ".join(f"{axis} {before}, {behind}" for axis, (before, behind) in axes.items())
        print(f"  {name}: {sees}")


def _clip(args: argparse.Namespace, temporal: int):
    """uint8 ``[T, S, S, 3]``: the middle of a film's first frames, or a rendered clip."""
    import numpy as np

    from pv_vae_jax.core import dims
    from pv_vae_jax.data import clips, video_files
    from pv_vae_jax.data.rendered import Scene

    if args.input is None:
        return Scene.drawn(0, args.frames, args.size, args.size, "held_out").video()
    frames = []
    for chunk in video_files.iterate(args.input, 1):
        frames.append(clips.Draw().resized(chunk[0], args.size, args.size))
        if len(frames) == args.frames:
            return np.stack(frames)
    raise ValueError(
        f"{args.input} has {len(frames)} frames, fewer than {args.frames}: use --frames "
        f"{dims.lengths_around(len(frames), temporal)[0]} or a longer film."
    )


if __name__ == "__main__":
    door.run(main)
