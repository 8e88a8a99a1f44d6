"""Makes a film of the latents that launch.encode wrote, by the model that made them."""

import argparse

from launch import door, models

EPILOG = """\
The latents are read, decoded and written (MP4, H.264, no sound) as it goes, in memory that does not
grow, cropped to the size and length of the film.  Latents of another encoder are refused by name; a
decoder may have been trained further.

example:
  python -m launch.decode --model exports/demo.npz --input film.npz --out again.mp4

exit code: 0 if the film was written, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.decode",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.add_arguments(it)
    it.add_argument("--input", required=True, metavar="FILE", help="of launch.encode, or a URL")
    it.add_argument("--out", required=True, metavar="FILM", help="MP4, or a URL; replaced")
    models.add_tiles(it)
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    args = parser().parse_args(argv)
    import tqdm

    from pv_vae_jax.data import latent_films
    from pv_vae_jax.evaluation import films

    if not args.out.lower().endswith(".mp4"):
        raise ValueError(f"--out {args.out} is a film: let its name end in .mp4.")
    with latent_films.opened(args.input) as latents:
        vae, _ = models.load(args.model, args.weights)
        films.check(vae, latents)
        vae = models.tiled(vae, args)
        film = latents.about["film"]
        with tqdm.tqdm(total=film["frames"], unit="frame", disable=None) as bar:
            films.decode(vae, latents, args.out, bar.update)
    size = f"{film['height']}x{film['width']}"
    print(f"{args.out}: {film['frames']} frames of {size}, {film['rate']:.4g} a second")


if __name__ == "__main__":
    door.run(main)
