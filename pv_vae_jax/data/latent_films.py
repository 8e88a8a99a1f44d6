"""Latents of a whole film in one file, written and read chunk by chunk.

    FILE.npz   latents.npy    float32 [G, h, w, c], normalised
               metadata.npy   JSON, as uint8: ``film_latents`` (the format), and what is told of it

A zip archive without compression, as ``numpy.savez`` writes: ``numpy.load(FILE)["latents"]`` reads
it whole.  Each array has a CRC-32, nothing is pickled, and a file appears whole or not at all.
"""

import contextlib
import dataclasses
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from pv_vae_jax.core import arrays, storage, store_errors

FORMAT, KEY, SUFFIX = 1, "film_latents", ".npz"
LATENTS, DTYPE = "latents", np.dtype("<f4")


def check_name(path: storage.Where) -> None:
    """Raises ValueError if a file of latents cannot have this name."""
    if not str(path).endswith(SUFFIX):
        raise ValueError(f"latents are a {SUFFIX} file, got {path}: name it {path}{SUFFIX}.")


def write(
    path: storage.Where,
    chunks: Iterable[np.ndarray],
    shape: tuple[int, int, int, int],
    about: dict[str, Any],
) -> None:
    """Writes the latents of a film; memory is that of a chunk.

    Args:
      path: ends in ``.npz``, or a URL that does.
      chunks: float ``[n, h, w, c]`` each.
      shape: ``(G, h, w, c)`` of all of them.
      about: JSON values that :func:`opened` gives back.

    Raises:
      ValueError: another name, or the chunks are not of this shape in all.
    """
    check_name(path)
    text = json.dumps({KEY: FORMAT} | about, allow_nan=False, indent=1)
    with storage.whole(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        with _member(archive, arrays.METADATA) as member:
            np.lib.format.write_array(member, np.frombuffer(text.encode(), np.uint8))
        with _member(archive, LATENTS) as member:
            form = {"descr": DTYPE.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, form)
            count = 0
            for chunk in chunks:
                if chunk.shape[1:] != shape[1:]:
                    raise ValueError(f"latents {chunk.shape} among those of a film of {shape}.")
                member.write(np.ascontiguousarray(chunk, DTYPE).tobytes())
                count += len(chunk)
        if count != shape[0]:
            raise ValueError(f"{count} latent steps of a film that has {shape[0]}.")


def _member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    info = zipfile.ZipInfo(f"{name}.npy")  # of a fixed date: the same latents are the same bytes
    return archive.open(info, "w", force_zip64=True)


@dataclasses.dataclass(frozen=True)
class LatentFilm:
    """A file of latents, open.

    Attributes:
      path: of the file.
      about: what :func:`write` was told.
      shape: ``(G, h, w, c)``.
    """

    path: str
    about: dict[str, Any]
    shape: tuple[int, int, int, int]
    member: BinaryIO

    def chunks(self, counts: Iterable[int]) -> Iterator[np.ndarray]:
        """All latents in order, once, ``counts`` steps at a time: float32 ``[n, h, w, c]``.

        Raises:
          ValueError: the file is damaged; said at the place or, by its checksum, at the end.
        """
        for count in counts:
            shape = (count, *self.shape[1:])
            size = int(np.prod(shape)) * DTYPE.itemsize
            with _explained(self.path):
                content = self.member.read(size)
                if len(content) < size:
                    raise EOFError
            yield np.frombuffer(content, DTYPE).reshape(shape)
        with _explained(self.path):
            if self.member.read(1):  # the checksum is compared at the end
                raise EOFError


@contextlib.contextmanager
def opened(path: storage.Where) -> Iterator[LatentFilm]:
    """The latents of a film, open for reading.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, of another kind, or of a later version.
    """
    if not storage.exists(path) or storage.is_folder(path):
        raise FileNotFoundError(f"there is no file of latents {path}.")
    foreign = f"{path} is no file of latents of a film: make one by python -m launch.encode."
    try:
        about = json.loads(arrays.read_text(path) or "{}")
    except ValueError as error:
        raise ValueError(foreign) from error
    if not isinstance(about, dict) or not isinstance(about.get(KEY), int):
        raise ValueError(foreign)
    if about[KEY] > FORMAT:
        raise ValueError(f"{path} has format {about[KEY]}, this version reads up to {FORMAT}.")
    with storage.opened(path) as file, contextlib.ExitStack() as stack:
        with _explained(path):
            archive = stack.enter_context(zipfile.ZipFile(file))
            member = stack.enter_context(archive.open(f"{LATENTS}.npy"))
            np.lib.format.read_magic(member)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
            if len(shape) != 4 or fortran or dtype != DTYPE:
                raise ValueError(f"latents are float32 [G, h, w, c], got {dtype} {shape}")
        yield LatentFilm(str(path), about, shape, member)


@contextlib.contextmanager
def _explained(path: storage.Where) -> Iterator[None]:
    try:
        yield
    except store_errors.StoreError:
        raise
    except (*arrays.DAMAGE, KeyError, ValueError) as error:
        said = " ".join(str(error).split()) or "it ends too early"
        raise ValueError(
            f"{path} is not a whole file of latents ({said}): encode the film again."
        ) from error
