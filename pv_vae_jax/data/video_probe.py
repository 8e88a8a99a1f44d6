"""What is known of a video: its frames by their time stamps, its size and rate.

A video is demultiplexed once, not decoded but for its first frame.  A bad one has a reason.
"""

import dataclasses
import os

import av
import numpy as np

from pv_vae_jax.core import storage
from pv_vae_jax.data import video_files
from pv_vae_jax.data.entry import PASSING, Entry, Kind

EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv"}
)


def time_stamps(film: str | bytes) -> tuple[list[int], str]:
    """Sorted pts of all frames of a file or its bytes, and what is wrong with them or ""."""
    with video_files.container_of(film) as container:
        stream = container.streams.video[0]
        whole = (p for p in container.demux(stream) if p.size and not p.is_corrupt)
        packets = [(p.pts, p.is_discard) for p in whole]  # not their bytes: the film is long
        promised = stream.frames if "mp4" in container.format.name else 0  # others only estimate
        if len(packets) < promised:
            return [], f"truncated: {len(packets)} of {promised} frames readable"
        stamps = [pts for pts, is_discard in packets if not is_discard]
    if None in stamps:  # streams without an index, such as MPEG-PS: decode to know
        with video_files.container_of(film) as container:
            stamps = [f.pts for f in container.decode(video=0) if f.pts is not None]
    return sorted(set(stamps)), ""


def probe(film: str | os.PathLike | bytes) -> Entry:
    """What is known of one file, or of its bytes; a bad one has a ``reason``, nothing raises."""
    path = "" if isinstance(film, bytes) else storage.absolute(film)
    film = film if isinstance(film, bytes) else path
    entry = Entry(path)
    try:
        entry = Entry(path, *(storage.stat(path) if path else (len(film), 0)))
        if not entry.size:
            return dataclasses.replace(entry, reason="empty file")
        with video_files.container_of(film) as container:
            stream = container.streams.video[0]
            base, rate = stream.time_base, stream.average_rate
            frame = next(iter(container.decode(stream)), None)
            if frame is None:
                return dataclasses.replace(entry, reason="no frame can be decoded")
            height, width = video_files.upright(frame).shape[:2]
            is_avi = "avi" in container.format.name  # B-frames there have the stamps of decoding
        stamps, reason = time_stamps(film)
        if is_avi and not reason and not video_files.in_order(film):
            reason = "its time stamps are not in order: remux it, such as to MP4"
    except video_files.FAILURES as error:
        if isinstance(error, OSError) and not isinstance(error, av.FFmpegError):
            entry = dataclasses.replace(entry, modified=PASSING)  # of the system, not of the film
        return dataclasses.replace(entry, reason=video_files.reason_of(error))
    if reason or not stamps:
        return dataclasses.replace(entry, reason=reason or "no frame has a time stamp")
    gaps = np.diff(stamps)
    step = int(gaps[0]) if len(gaps) and np.all(gaps == gaps[0]) else 0
    last = float(np.median(gaps)) if len(gaps) else 0.0
    seconds = float((stamps[-1] - stamps[0] + last) * base)
    return dataclasses.replace(
        entry,
        frames=len(stamps),
        height=height,
        width=width,
        rate=float(rate) if rate else len(stamps) / max(seconds, 1e-9),
        duration=seconds,
        first=stamps[0],
        step=step,
        times=() if step else tuple(stamps),
    )


VIDEOS = Kind("video", EXTENSIONS, probe)
