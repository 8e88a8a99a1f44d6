"""A record: a piece of one shot that decodes by itself, with what is known of it.

    bytes = "PVR1" | n, uint32 little-endian | n bytes of JSON in UTF-8 | payload            (1)

The JSON object has the fields of :class:`Record` but the payload.  ``starts`` are pairs (number of
a frame, byte of the payload) at which decoding can begin; a unit reaches from its start to the
next.  So frames are found without reading what is before their unit:

    h264    a unit is a closed group of pictures, Annex B, headers first (SPS, PPS, IDR);
            yuv420p, BT.601, limited range, pixels taken as square, frames in order of presentation
    jpeg    a unit is one frame: a JPEG file

Another layout has another first four bytes.  Nothing here is pickled.
"""

import bisect
import dataclasses
import json
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from pv_vae_jax.data import codecs
from pv_vae_jax.data.clips import ClipError

MAGIC = b"PVR1"


@dataclasses.dataclass(frozen=True)
class Record:
    """One record, see (1).

    Attributes:
      codec: "h264" or "jpeg".
      payload: the coded frames.
      starts: (frame, byte) of each unit, increasing, the first (0, 0).
      frames: how many there are.
      height: rows.
      width: columns.
      rate: frames per second.
      key: unique in a data set.
      source: name of the file that it was cut from.
      first: number of its first frame there, from 0.
      label: the class, -1 for none.
      caption: a sentence, "" for none.
    """

    codec: str
    payload: bytes = dataclasses.field(repr=False)
    starts: tuple[tuple[int, int], ...]
    frames: int
    height: int
    width: int
    rate: float
    key: str
    source: str
    first: int
    label: int = -1
    caption: str = ""


_KINDS = {field.name: field.type for field in dataclasses.fields(Record) if field.name != "payload"}


def encode(record: Record) -> bytes:
    """The bytes of (1); equal records have equal bytes."""
    fields = {name: getattr(record, name) for name in _KINDS}
    header = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return b"".join((MAGIC, struct.pack("<I", len(header)), header, record.payload))


def decode(data: bytes, name: str = "record") -> Record:
    """The record of (1); ``name`` says which it is in an error.

    Raises:
      ClipError: these are not the bytes of a record, or its fields contradict each other.
    """
    if data[:4] != MAGIC:
        raise ClipError(name, f"not a record: it begins with {bytes(data[:4])!r}, not {MAGIC!r}")
    length = int.from_bytes(data[4:8], "little")
    try:
        fields = json.loads(data[8 : 8 + length].decode())
        fields["starts"] = tuple((int(frame), int(byte)) for frame, byte in fields["starts"])
        record = Record(payload=data[8 + length :], **fields)
    except (ValueError, TypeError, KeyError) as error:
        raise ClipError(name, f"the header of the record is damaged: {error}") from error
    wrong = _contradiction(record)
    if wrong:
        raise ClipError(name, f"the record is damaged: {wrong}")
    return record


def _contradiction(record: Record) -> str:
    for name, kind in _KINDS.items():
        if kind in (int, str, float) and not isinstance(getattr(record, name), kind):
            return f"{name} is {getattr(record, name)!r}, not of type {kind.__name__}"
    if record.codec not in codecs.DECODERS:
        return f"codec is {record.codec!r}, known are {', '.join(sorted(codecs.DECODERS))}"
    if min(record.frames, record.height, record.width) < 1:
        return f"{record.frames} frames of {record.height}x{record.width}"
    ends = (*record.starts[1:], (record.frames, len(record.payload)))
    rises = all(
        one[0] < two[0] and one[1] < two[1] for one, two in zip(record.starts, ends, strict=True)
    )
    if not rises or record.starts[0] != (0, 0):
        return (
            f"its units do not fit {record.frames} frames in {len(record.payload)} bytes: "
            f"{record.starts}"
        )
    return ""


def frames_of(
    record: Record, numbers: Sequence[int] | np.ndarray, name: str = ""
) -> Iterator[np.ndarray]:
    """The frames with these numbers, each uint8 RGB ``[H, W, 3]``; only their units are decoded.

    Args:
      record: of (1).
      numbers: increasing, each below ``record.frames``.
      name: of the record in an error; by default its key.

    Raises:
      ClipError: a unit does not decode to its frames.
      IndexError: a frame that the record does not have.
    """
    name = name or record.key
    wanted = [int(number) for number in numbers]
    if wanted and not (0 <= wanted[0] and wanted[-1] < record.frames):
        raise IndexError(f"{name} has frames 0 to {record.frames - 1}, asked for {wanted}.")
    firsts = [frame for frame, _ in record.starts]
    bounds = [byte for _, byte in record.starts] + [len(record.payload)]
    units = [bisect.bisect_right(firsts, number) - 1 for number in wanted]
    place = 0
    while place < len(wanted):  # a run of adjacent units is one stream
        stop = place + 1
        while stop < len(wanted) and units[stop] - units[stop - 1] <= 1:
            stop += 1
        first, last = units[place], units[stop - 1]
        pieces = [record.payload[bounds[n] : bounds[n + 1]] for n in range(first, last + 1)]
        inside = [number - firsts[first] for number in wanted[place:stop]]
        try:
            for frame in codecs.DECODERS[record.codec](pieces, inside):
                if frame.shape != (record.height, record.width, 3):
                    raise ValueError(f"a frame of {frame.shape[0]}x{frame.shape[1]}")
                yield frame
        except ValueError as error:
            raise ClipError(name, f"frames from {wanted[place]} do not decode: {error}") from error
        place = stop
