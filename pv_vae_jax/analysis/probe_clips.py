"""Clips for probes with what is true of them: to train on and to test on, never of one source.

rendered   scenes with exact flow and tracks (data/rendered.py); test scenes, ``UNSEEN`` and after,
           have motions of their own and photographs that training scenes are not of; or where the
           protocol has the split "train" (as for samples of a generator), the same photographs
videos     a protocol's data sets, one frame longer than the clip

test sources = the first third of all, at least one, by sha256 of "seed:source"         (1)
"""

import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.rendered import Scene
from pv_vae_jax.evaluation import protocol, videos
from pv_vae_jax.evaluation.datasets import rendered as scenes
from pv_vae_jax.evaluation.measuring import THREADS, Video
from pv_vae_jax.evaluation.protocol import Protocol

SPLITS = ("train", "test")
PHOTOGRAPHS = {"train": "train", "test": "held_out"}  # the splits of data/photographs.py
POINTS = 64  # of a scene


@dataclasses.dataclass(frozen=True)
class Clips:
    """Clips of one split.

    Attributes:
      clips: uint8 ``[N, T, H, W, 3]``.
      targets: arrays with a first axis of N; what there is depends on the data.
      refused: videos that could not be used, key to reason.
    """

    clips: np.ndarray
    targets: Mapping[str, np.ndarray]
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Data:
    """Clips for a task, read when they are asked for.

    Attributes:
      names: which, by split; data of one name have the same clips.
      settings: what decides them, for a finding.
      read: a split to its clips.
    """

    names: Mapping[str, str]
    settings: Mapping[str, Any]
    read: Callable[[str], Clips]


def named(name: str) -> dict[str, str]:
    """One name for both splits."""
    return dict.fromkeys(SPLITS, name)


def rendered(used: Protocol, train: int, test: int) -> Data:
    """Scenes of the size, length and stride of a protocol, and of its world if it names one.

    Targets: "flow" float32 ``[N, T-1, H, W, 2]``; "tracks" ``[N, P, T, 2]``, "visible"
    ``[N, P, T]`` and "queries" int ``[N, P]``, the first frame in which a point is visible.
    """
    counts = dict(zip(SPLITS, (train, test), strict=True))
    name = next((each for each in used.datasets if each in scenes.SETS), "rendered")

    same = used.split == "train" and name in used.datasets

    def one(split: str, number: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        photographs = "train" if same else PHOTOGRAPHS[split]
        number += scenes.UNSEEN if split == "test" else 0  # its number alone decides the motion
        form = used.frames, used.height, used.width, photographs, used.stride
        scene = Scene.drawn(number, *form, scenes.SETS[name].world)
        tracks, visible = scene.tracks(number, POINTS)
        return scene.video(), {
            "flow": scene.flow(),
            "tracks": tracks,
            "visible": visible,
            "queries": visible.argmax(axis=1),
        }

    def read(split: str) -> Clips:
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            made = list(pool.map(lambda j: one(split, j), range(counts[split])))
        return stacked([clip for clip, _ in made], [true for _, true in made])

    settings = {"data": name, "train": train, "test": test}
    settings |= {"split": "train"} if same else {"test_from": scenes.UNSEEN}
    return Data(named(name), settings, read)


def stacked(
    clips: Sequence[np.ndarray],
    targets: Sequence[Mapping[str, np.ndarray]],
    refused: Mapping[str, str] | None = None,
) -> Clips:
    """:class:`Clips` of as many."""
    names = targets[0]
    return Clips(
        np.stack(clips),
        {name: np.stack([each[name] for each in targets]) for name in names},
        refused or {},
    )


def test_sources(seed: int, sources: Iterable[str]) -> set[str]:
    """Equation (1)."""
    known = protocol.order(seed, set(sources))
    return set(known[: max(1, len(known) // 3)])


def of_videos(used: Protocol, folders: Mapping[str, str], train: int, test: int) -> Data:
    """The first videos of either split in the protocol's order; others replace what fails.

    The clip is the first T frames, the target "next" frame T: uint8 ``[N, H, W, 3]``.
    """
    counts = dict(zip(SPLITS, (train, test), strict=True))
    longer = dataclasses.replace(used, frames=used.frames + 1)

    found = videos.of_datasets(longer, folders)

    def read(split: str) -> Clips:
        test = test_sources(used.seed, (each.source for each in found))
        own = [each for each in found if (each.source in test) == (split == "test")]
        return _first(own, counts[split], f"{used.name}, {split}")

    settings = {"data": list(used.datasets), "split": used.split, "train": train, "test": test}
    settings["available_sha256"] = protocol.checksum(each.key for each in found)
    return Data(named("videos"), settings, read)


def _first(found: Sequence[Video], count: int, name: str) -> Clips:
    """The first that can be read."""
    clips, refused, place = [], {}, 0
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        while len(clips) < count and place < len(found):
            wave = found[place : place + count - len(clips)]
            place += len(wave)
            for video, clip in zip(wave, pool.map(_read, wave), strict=True):
                if isinstance(clip, ClipError):
                    refused[video.key] = clip.reason
                else:
                    clips.append(clip)
    if len(clips) < count:
        told = "; ".join(f"{key}: {reason}" for key, reason in list(refused.items())[:3])
        raise ValueError(
            f"the probes want {count} videos of {name}; of {len(found)} there {len(clips)} can be "
            f"used{f' ({told})' if told else ''}: complete the data set, or ask for fewer."
        )
    return stacked([clip[:-1] for clip in clips], [{"next": clip[-1]} for clip in clips], refused)


def _read(video: Video) -> np.ndarray | ClipError:
    try:
        return video.read()
    except ClipError as error:
        return error
