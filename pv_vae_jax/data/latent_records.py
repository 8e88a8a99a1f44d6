"""A record: the posterior of one clip, with what is known of the clip.

    bytes = "PVL1" | n, uint32 little-endian | n bytes of JSON in UTF-8 | mean | logvar      (1)

Mean and log-variance are those of the encoder (interface.py), raw, not normalised, ``[G, h, w, c]``
in C order, little-endian; type and shape stand in the index (data/latents.py).  The JSON object has
the fields of :class:`Header`.  Nothing here is pickled.
"""

import dataclasses
import json
import struct
from typing import Any

import jax.numpy as jnp
import numpy as np

from pv_vae_jax.data.clips import ClipError

MAGIC = b"PVL1"
DTYPES = ("float16", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Header:
    """What is known of the clip.

    Attributes:
      key: unique in a folder: ``SPLIT/n`` of the n-th clip, ``SPLIT/n/mirrored``.
      source: name of the file, record or scene that it was cut from.
      label: the class, -1 for none.
      caption: a sentence, "" for none.
      draw: the fields of data/clips.py's ``Draw``.
    """

    key: str
    source: str
    label: int
    caption: str
    draw: dict[str, Any]


_KINDS = {field.name: field.type for field in dataclasses.fields(Header)}
_KINDS["draw"] = dict


def stored(values: np.ndarray, dtype: str, what: str) -> np.ndarray:
    """Float32 values in the type in which they are kept, rounded to nearest.

    Args:
      values: of any shape.
      dtype: one of ``DTYPES``.
      what: these are, for the sentence: "the mean of a.mp4".

    Raises:
      ValueError: a value is not finite, or ``dtype`` cannot hold it.
    """
    if not np.isfinite(values).all():
        raise ValueError(
            f"{what} is not finite (NaN or infinite): the weights of the model, or its precision, "
            "are at fault."
        )
    with np.errstate(over="ignore"):
        kept = values.astype(jnp.dtype(dtype))
    if not np.isfinite(kept).all():
        raise ValueError(
            f"{what} reaches {np.abs(values).max():.6g}, more than {dtype} holds "
            f"({float(jnp.finfo(dtype).max):.6g}): use bfloat16 (--dtype bfloat16)."
        )
    return kept


def encode(header: Header, mean: np.ndarray, logvar: np.ndarray) -> bytes:
    """The bytes of (1); equal records have equal bytes."""
    text = json.dumps(dataclasses.asdict(header), sort_keys=True, separators=(",", ":")).encode()
    return b"".join((MAGIC, struct.pack("<I", len(text)), text, mean.tobytes(), logvar.tobytes()))


def decode(
    data: bytes, shape: tuple[int, ...], dtype: str, name: str
) -> tuple[Header, np.ndarray, np.ndarray]:
    """Header, mean and log-variance of (1), both of ``shape`` and ``dtype``.

    Raises:
      ClipError: these are not the bytes of such a record; ``name`` says which it is.
    """
    if data[:4] != MAGIC:
        raise ClipError(name, f"not latents: it begins with {bytes(data[:4])!r}, not {MAGIC!r}")
    begin = 8 + int.from_bytes(data[4:8], "little")
    try:
        header = Header(**json.loads(data[8:begin].decode()))
    except (ValueError, TypeError) as error:
        raise ClipError(name, f"the header of the record is damaged: {error}") from error
    for field, kind in _KINDS.items():
        value = getattr(header, field)
        if not isinstance(value, kind):
            raise ClipError(name, f"the header is damaged: {field} is {value!r}")
    kind, count = jnp.dtype(dtype), int(np.prod(shape))
    wanted = 2 * count * kind.itemsize
    if len(data) - begin != wanted:
        raise ClipError(
            name, f"{len(data) - begin} bytes of latents where {dtype}{list(shape)} has {wanted}"
        )
    values = np.frombuffer(data, kind, offset=begin).reshape(2, *shape)
    return header, values[0], values[1]
