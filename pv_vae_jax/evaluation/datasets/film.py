"""The film Big Buck Bunny, split by time, cut at its shots and into spans of 17 frames.

    used: FIRST <= n < END      after the titles (second 34), before the last picture closes (488)
    b = FIRST + ceil(0.8 (END - FIRST))      as launch.prepare_data has it (data/prepare/pieces.py)
    train     shots that begin before b, what of them is before b
    held_out  shots that begin at b or later                                              (1)
    span q of a shot = frames 17 q ... 17 q + 16 of it, none of them black                (2)
    what may be read of it = the span, and two frames more where the shot goes on         (3)

By (3) most spans have the frame after a clip of 9 frames of stride 2, for a probe of the next one.

So no frame of a shot that is held out is near one that is trained on, and the rest of the shot in
which b lies is in neither.  Spans of one shot are not independent: the shot is their source.

``CUTS`` are the frames that begin a shot, but for FIRST; dissolves are not among them.  Made by

    from pv_vae_jax.data.prepare import cuts, originals
    small = ((n, cuts.small(f)) for n, f in enumerate(originals.decoded("bbb.mp4", "bbb.mp4")))
    [n for n, _, begins in cuts.marked(small, 3.0, 40.0) if begins and FIRST < n < END]

(PySceneDetect 0.7.2, the defaults of launch.prepare_data.)  ``BLACK`` are the frames with 98% of
their pixels below a tenth of white: the film fades twice.
"""

import itertools
import os

from pv_vae_jax.core import cache, storage
from pv_vae_jax.data.prepare import pieces
from pv_vae_jax.evaluation.datasets.item import Item
from pv_vae_jax.pretrained import packages

SPAN, MORE = 17, 2
SPLITS = ("train", "held_out")
FILE = "bbb.mp4"
FRAMES, RATE = 14315, 24
FIRST, END, HELD_OUT = 34 * RATE, 488 * RATE, 0.2
BOUNDARY = pieces.Rules(first=FIRST, end=END, held_out=HELD_OUT, by="time").boundary(FRAMES)
LICENCE = "Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0: name it where you show it"
PACKAGE = packages.Package(
    "moviepy==2.2.1",
    "c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1",
    {
        "moviepy-2.2.1/docs/_static/medias/getting_started/moviepy_10_minutes/"
        "moviepy_10_minutes.zip!moviepy_10_minutes/resources/bbb.mp4": (
            "475fbbf34c4c367998f80c29ea03b15a743941179b12da3373fc6706e68621d0"
        )
    },
    "sdist",
)
BLACK = (range(7179, 7210), range(11060, 11088))
CUTS = (
    1145, 1346, 1456, 1531, 1666, 1711, 1763, 1813, 1919, 2154, 2194, 2394, 2494, 2704, 2831,
    2901, 2963, 3045, 3513, 3578, 3744, 3860, 3895, 3919, 3989, 4032, 4069, 4227, 4266, 4332,
    4463, 4544, 4612, 4672, 4697, 4702, 4704, 4726, 4796, 4900, 4942, 4979, 5013, 5079, 5131,
    5292, 5307, 5371, 5430, 5518, 5579, 5809, 5844, 6018, 6048, 6088, 6128, 6168, 6208, 6228,
    6268, 6308, 6348, 6388, 6488, 6623, 6670, 6713, 6753, 6833, 7013, 7093, 7131, 7180, 7208,
    7325, 7400, 7500, 7546, 7613, 7661, 7732, 7769, 8024, 8085, 8091, 8154, 8945, 9009, 9080,
    9148, 9379, 9420, 9468, 9507, 9575, 9584, 9593, 9719, 9795, 9850, 9891, 9987, 10016, 10081,
    10097, 10125, 10184, 10234, 10260, 10303, 10339, 10409, 10453, 10468, 10574, 10612, 10613,
    10637, 10842, 10999, 11085, 11312, 11349, 11524, 11560, 11612, 11671
)  # fmt: skip


def shots(split: str) -> list[range]:
    """The frames of each shot of a split, equation (1)."""
    bounds = itertools.pairwise((FIRST, *CUTS, END))
    if split == "train":
        return [range(first, min(end, BOUNDARY)) for first, end in bounds if first < BOUNDARY]
    return [range(first, end) for first, end in bounds if first >= BOUNDARY]


def spans(shot: range) -> list[range]:
    """The spans (2) of a shot."""
    found = [shot[n : n + SPAN] for n in range(0, len(shot) - SPAN + 1, SPAN)]
    return [s for s in found if not any(s[0] < b.stop and b.start <= s[-1] for b in BLACK)]


def last(span: range, shot: range) -> int:
    """The last frame that may be read of a span, equation (3)."""
    black = (b.start - 1 for b in BLACK if b.start > span[-1])
    return min(span[-1] + MORE, shot[-1], *black)


def items(split: str, folder: str | None) -> list[Item]:
    """The spans of a split.

    Args:
      split: one of ``SPLITS``.
      folder: where the film lies; by default where launch/fetch.py puts it.

    Raises:
      FileNotFoundError: it is not there, or is another file of that name.
    """
    place = storage.path(os.path.expanduser(folder)) if folder else cache.folder("film")
    if packages.missing(PACKAGE, place):
        raise FileNotFoundError(
            f"no {FILE} that passes its checksum is in {place}; get it by python -m launch.fetch "
            f"film. Licence: {LICENCE}."
        )
    path = str(place / FILE)
    return [
        Item(
            f"bbb_{span[0]:06d}",
            path,
            span[0] / RATE,
            last(span, shot) / RATE,
            source=f"{shot[0]:06d}",
        )
        for shot in shots(split)
        for span in spans(shot)
    ]


def preparation(path: str, out: str) -> str:
    """The command that makes shards for training which agree with the splits (1)."""
    return (
        f"python -m launch.prepare_data --from={path} --out={out} --side=64 --codec=jpeg "
        f"--by=time --held_out={HELD_OUT} --first={FIRST} --end={END}"
    )
