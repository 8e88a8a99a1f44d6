"""Writes the latents of a film of any length to disk; launch.decode makes a film of them."""

import argparse
import dataclasses

from launch import door, models

EPILOG = """\
The film is decoded, encoded and written as it goes, in memory that does not grow.  The file (.npz;
`numpy.load(FILE)["latents"]` is float32 [G, h, w, c], normalised) also says which model made it and
what the film was: length, size, rate.  The last frame, row and column are repeated up to the next
valid form, and launch.decode crops them off again.  Sound is left out.

examples:
  python -m launch.encode --model exports/demo.npz --input film.mp4 --out film.npz
  python -m launch.decode --model exports/demo.npz --input film.npz --out again.mp4

exit code: 0 if the file was written, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.encode",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.add_arguments(it)
    it.add_argument("--input", required=True, metavar="FILM", help="a video file, or a URL")
    it.add_argument("--out", required=True, metavar="FILE", help=".npz, or a URL; replaced")
    it.add_argument("--frames", type=int, metavar="T", help="only the first T frames")
    it.add_argument("--size", type=int, metavar="S", help="resize the shorter side to S pixels")
    models.add_tiles(it)
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    args = parser().parse_args(argv)
    import sys

    import tqdm

    from pv_vae_jax.data import latent_films, manifest
    from pv_vae_jax.evaluation import films, folder
    from pv_vae_jax.evaluation.reconstruction import Form

    latent_films.check_name(args.out)
    entries = manifest.of(args.input)
    if len(entries) != 1:
        raise ValueError(f"--input is one film, got {len(entries)} at {args.input}.")
    (entry,), form = entries, Form(args.frames, size=args.size)
    vae, model = models.load(args.model, args.weights)
    form.check(vae.spec.temporal)
    vae = models.tiled(vae, args)
    if entry.reason:
        raise ValueError(f"{entry.path} cannot be used: {entry.reason}.")
    for note in folder.notes(vae.spec, form.of(entry)).values():
        print(f"note: {args.input} {note}.", file=sys.stderr)
    about = {"model": model}
    if args.tile:
        about["tiles"] = dataclasses.asdict(vae.tiles)
    with tqdm.tqdm(total=form.of(entry)[0], unit="frame", disable=None) as bar:
        told = films.encode(vae, entry, args.out, form, about, bar.update)
    film, shape = told["film"], vae.spec.latent_shape(*told["padded_to"])
    print(
        f"{args.out}: latents {list(shape)} of {film['frames']} frames of "
        f"{film['height']}x{film['width']}"
    )


if __name__ == "__main__":
    door.run(main)
