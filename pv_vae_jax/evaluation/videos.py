"""Which videos a protocol looks at: of data sets, of a stored list, or of a generator's samples.

A data set's videos are keyed "SET/KEY"; where a protocol has several sets, each gives its share, in
turn.
"""

import functools
import hashlib
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.core import arrays, storage
from pv_vae_jax.data import manifest, video_files
from pv_vae_jax.data.entry import Entry
from pv_vae_jax.evaluation import datasets, protocol
from pv_vae_jax.evaluation.measuring import Video
from pv_vae_jax.evaluation.protocol import Protocol

SAMPLES = "samples"  # the array of a generator's .npz
FILMS = "videos"  # the films below a folder of launch.generate, beside their latents and pictures


def of_datasets(used: Protocol, folders: Mapping[str, str]) -> list[Video]:
    """All videos of a protocol's data sets in its order: the first ``used.videos`` are its own.

    Args:
      used: the protocol.
      folders: where the data sets lie, by name.

    Raises:
      FileNotFoundError: a data set is not there; the message says what to get.
      ValueError: the same, or a list of it is damaged.
    """
    columns = []
    for name in used.datasets:
        items = datasets.items(name, used.split, folders.get(name))
        videos = {f"{name}/{item.key}": item for item in items}
        order = protocol.order(used.seed, videos)
        columns.append([_video(used, f"{name}/", key, videos[key]) for key in order])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*columns))
    return [video for video in turns if video is not None]


def _video(used: Protocol, prefix: str, key: str, item: datasets.Item) -> Video:
    form = used.frames, used.stride, used.height, used.width
    read, file = (
        functools.partial(datasets.clip, item, *form),
        functools.partial(datasets.state, item),
    )
    return Video(key, f"{prefix}{item.source}", read, functools.cache(file))


def listed(videos: Sequence[Video], keys: Sequence[str], used: Protocol) -> list[Video]:
    """The videos of a stored list, in its order.

    Raises:
      ValueError: the list has another length than the protocol, names a video twice, or one that
        the data sets have not.
    """
    known = {video.key: video for video in videos}
    if len(keys) != used.videos or len(set(keys)) != len(keys):
        raise ValueError(
            f"the list names {len(set(keys))} different videos in {len(keys)} lines, but "
            f"{used.name} is of {used.videos}: take another list, or --set videos={len(set(keys))}."
        )
    if missing := [key for key in keys if key not in known]:
        raise ValueError(
            f"{len(missing)} of the {len(keys)} videos of the list are not in "
            f"{', '.join(used.datasets)}, such as {missing[0]}."
        )
    return [known[key] for key in keys]


def of_samples(used: Protocol, where: str) -> list[Video]:
    """The samples of a generator, each of its own.

    Args:
      used: the protocol; samples have its size, and its first frames are taken.
      where: a folder of films, that of launch.generate, or an ``.npz`` with uint8 ``samples
        [N, T, H, W, 3]``.

    Raises:
      ValueError: no such array, or of another form.
      FileNotFoundError: there is no such file or folder.
    """
    if where.endswith(".npz"):
        return _of_array(used, where)
    form = used.frames, 1, used.height, used.width
    found, entries = [], _films(where)
    for entry, name in zip(entries, _names([entry.path for entry in entries]), strict=True):
        size = entry.height, entry.width
        if not entry.reason and size != form[2:]:
            raise ValueError(
                f"{entry.path} is {size[0]} x {size[1]}, but {used.name} is of samples of "
                f"{form[2]} x {form[3]}: generate at that size, or --set height=..., width=...."
            )
        item = datasets.Item(name, entry.path, reason=entry.reason, source=name)
        read = functools.partial(datasets.clip, item, *form)
        file = functools.cache(lambda path=entry.path: _sha256(storage.read(path)))
        found.append(Video(name, name, read, file))
    return found


def coding(where: str) -> str:
    """How samples are kept: "arrays", or the codec of the first film and the form of its pixels."""
    if where.endswith(".npz"):
        return "arrays"
    return next((video_files.coding(e.path) for e in _films(where) if not e.reason), "unreadable")


def _films(where: str) -> list[Entry]:
    """Of a folder, or of the one that launch.generate made."""
    films = f"{where.rstrip('/')}/{FILMS}"
    return manifest.of(films if storage.is_folder(films) else where)


def _names(paths: Sequence[str]) -> list[str]:
    """The files below the innermost folder that holds all of them."""
    parts = [path.split("/") for path in paths]
    above = len(os.path.commonprefix([each[:-1] for each in parts]))
    return ["/".join(each[above:]) for each in parts]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _of_array(used: Protocol, where: str) -> list[Video]:
    found: Any = arrays.read(storage.path(where)).get(SAMPLES)
    wanted = used.frames, used.height, used.width
    fits = (
        found is not None
        and found.dtype == np.uint8
        and found.ndim == 5
        and found.shape[1] >= wanted[0]
        and found.shape[2:] == (*wanted[1:], 3)
    )
    if not fits:
        got = "none" if found is None else f"{found.dtype}{list(found.shape)}"
        raise ValueError(
            f"{where} holds samples as uint8 [N, T, {wanted[1]}, {wanted[2]}, 3] with T of "
            f"{wanted[0]} or more, for {used.name}; got {got}."
        )
    clips = found[:, : wanted[0]]

    def one(i: int) -> Video:
        return Video(f"{i:06d}", f"{i:06d}", lambda: clips[i], lambda: _sha256(clips[i].tobytes()))

    return [one(i) for i in range(len(clips))]
