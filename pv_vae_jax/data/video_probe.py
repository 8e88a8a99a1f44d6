"""What is known of a video: its frames by their time stamps, its size and rate.

A video is demultiplexed once, not decoded but for its first frame.  A bad one has a reason.
"""

import dataclasses
import os

import av
import numpy as np

from pv_vae_jax.core import storage, store_errors
from pv_vae_jax.data import video_files
from pv_vae_jax.data.entry import PASSING, Entry, Kind

EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv"}
)


def time_stamps(film: str | bytes) -> tuple[list[int], str]:
    """Sorted pts of all frames of a file or its bytes, and what is wrong with them or ""."""
    with video_files.container_of(film) as container:
        stream = container.streams.video[0]
        is_shown = _SHOWN.get(stream.codec_context.codec.canonical_name, bool)
        whole = (p for p in container.demux(stream) if _is_whole(p) and is_shown(p))
        packets = [(p.pts, p.is_discard) for p in whole]  # not their bytes: the film is long
        promised = stream.frames if "mp4" in container.format.name else 0  # others only estimate
        is_avi = "avi" in container.format.name
    if len(packets) < promised and (there := _stored(film)) < promised:
        return [], f"truncated: {there} of {promised} frames readable"
    if is_avi and not video_files.in_order(film):  # B-frames there have the stamps of decoding
        return [], "its time stamps are not in order: remux it, such as to MP4"
    stamps = [pts for pts, is_discard in packets if not is_discard]
    if None in stamps:  # streams without an index, such as MPEG-PS: decode to know
        with video_files.container_of(film) as container:
            stamps = [f.pts for f in container.decode(video=0) if f.pts is not None]
    return sorted(set(stamps)), ""


def _is_whole(packet: av.Packet) -> bool:
    return bool(packet.size) and not packet.is_corrupt


def _stored(film: str | bytes) -> int:
    """How many frames there are, those that an edit list leaves out included."""
    with video_files.container_of(film, {"ignore_editlist": "1"}) as container:
        return sum(map(_is_whole, container.demux(video=0)))


# VP8 has packets that are no frame but seen by others (RFC 6386, section 9.1: show_frame).
_SHOWN = {"vp8": lambda packet: bool(memoryview(packet)[0] & 0x10)}


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
        stamps, reason = time_stamps(film)
    except video_files.FAILURES as error:
        if store_errors.may_pass(error):
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
