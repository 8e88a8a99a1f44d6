"""TensorFlow Datasets by random access (``tfds.data_source``), prepared as ArrayRecord.

    clip j = example first + j of the split,   first frame = floor(draw.start * its frames)   (1)

One clip an example and epoch.  A record is read whole, but only the frames of the clip are decoded:

    Video, Sequence(Image)     one encoded picture a frame
    a film in bytes (Text)     by time stamps, like a file (data/video_files.py); it must be named
    Image                      a still
    Tensor uint8 [T, H, W, C]  as it is

TFDS is imported when a data set is opened, not before.  Nothing is downloaded: docs/data.md tells
how a data set is prepared.  The order is data/pipeline.py's.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from pv_vae_jax.core import storage
from pv_vae_jax.data import images, slots, spans, video_files, video_probe
from pv_vae_jax.data.clips import Clip, ClipError, Draw, TooShort

CAPTIONS = ("caption", "text", "description", "title")
ROLES = ("pixels", "label", "caption")
PREPARE = (
    'prepare it by python -c \'import tensorflow_datasets as tfds; tfds.builder("{name}", '
    'file_format="array_record").download_and_prepare()\' (docs/data.md)'
)


class TFDS:
    """One split, or a part of it, as clips (data/sources.py's protocol).

    Attributes:
      roles: which feature is the pixels, the label, the caption ("" for none).
      kind: of the pixels: "frames", "film", "still" or "array".
      classes: names of the labels by number.
      labelled: whether there is a feature of labels.
      full_name: of the set, "name/config/version", wherever it stands.
      bytes_of_example: in the mean over the split, as it is stored.
    """

    refused: dict[str, str] = {}

    def __init__(
        self,
        name: str,
        split: str = "train",
        span: tuple[float, float] = (0.0, 1.0),
        features: Mapping[str, str] | None = None,
    ):
        """Opens a data set that is prepared.

        Args:
          name: "name/config:version", looked for in ``$TFDS_DATA_DIR``, or a builder directory.
          split: "train", or a part of it such as "train[:80%]".
          span: the part of the split's examples that is used, as fractions.
          features: role to feature, where the guess would be wrong; see ``roles``.

        Raises:
          FileNotFoundError: it is not prepared.
          ValueError: no such data set, split or feature; another file format; no example in span.
        """
        span = spans.checked(span)
        self.name, self.split = name, split
        builder = _opened(name)
        self.full_name = builder.info.full_name
        known = dict(builder.info.features)
        self.roles = _roles(name, known, features or {})
        self.kind = _kind(name, self.roles["pixels"], known[self.roles["pixels"]])
        label = known.get(self.roles["label"])
        self.classes = tuple(getattr(label, "names", None) or ())
        self.labelled = label is not None
        self._data = _data_source(builder, name, split, self.roles["pixels"], self.kind)
        first, end = spans.ends(len(self._data), span)
        self._first, self._clips = first, end - first
        self.bytes_of_example = builder.info.splits[split].num_bytes // max(1, len(self._data))
        if not self._clips:
            raise ValueError(
                f"{name}: of the {len(self._data)} examples of {split} none is in the span "
                f"{span}; widen it (data.held_out of a config)."
            )

    @property
    def sha256(self) -> str:
        """Of the set, its split, the span and what is read of an example."""
        known = [self.full_name, self.split, self._first, self._clips, self.roles]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()

    def __len__(self) -> int:
        return self._clips

    def of_length(self, frames: int) -> "TFDS":
        """Itself; ValueError for stills unless ``frames`` is 1.  Short examples fail as clips."""
        if self.kind == "still" and frames != 1:
            raise ValueError(
                f"{self.name} holds stills, and a still is a clip of 1 frame, not of {frames}: set "
                "frames to 1, or take data.tfds_weight 0."
            )
        return self

    def clip(self, j: int, draw: Draw, frames: int, height: int, width: int) -> Clip:
        """Clip ``j`` under ``draw``, equation (1); ClipError if the example fails."""
        name = self._name(j)
        pixels, label, caption = self.example(j)
        least = math.ceil(max(height, width) / draw.scale)
        chosen = self._pictures(pixels, draw, frames, least, name)
        video = np.stack([draw.resized(picture, height, width) for picture in chosen])
        return Clip(np.ascontiguousarray(draw.oriented(video)), name, label, caption)

    def _name(self, j: int) -> str:
        return f"{self.name} {self.split} {self._first + j}"

    def example(self, j: int) -> tuple[Any, int, str]:
        """(pixels as they are stored, label or -1, caption or ""); ClipError if damaged."""
        try:
            example = self._data[self._first + j]
        except Exception as error:  # a damaged or missing shard: the reader raises what it likes
            said = " ".join(str(error).split())
            raise ClipError(self._name(j), f"cannot be read: {said}") from error
        label, caption = (example.get(self.roles[role]) for role in ROLES[1:])
        return (
            example[self.roles["pixels"]],
            -1 if label is None else int(label),
            caption.decode(errors="replace") if isinstance(caption, bytes) else str(caption or ""),
        )

    def _pictures(self, pixels: Any, draw: Draw, frames: int, least: int, name: str) -> list:
        """The frames of the clip, decoded; no other is."""
        if self.kind == "still":
            return [images.read(bytes(pixels), least, name)]
        if self.kind == "film":
            film = bytes(pixels)
            stamps, reason = _time_stamps(film, name)
            if reason:
                raise ClipError(name, reason)
            numbers = _numbers(len(stamps), draw, frames, name)
            return list(video_files.read(film, [stamps[n] for n in numbers], name=name))
        numbers = _numbers(len(pixels), draw, frames, name)
        if self.kind == "frames":
            return [images.read(bytes(pixels[n]), least, name) for n in numbers]
        return [np.broadcast_to(pixels[n], (*pixels[n].shape[:2], 3)) for n in numbers]


def _time_stamps(film: bytes, name: str) -> tuple[list[int], str]:
    try:
        return video_probe.time_stamps(film)
    except video_files.FAILURES as error:
        raise ClipError(name, video_files.reason_of(error)) from error


def _numbers(total: int, draw: Draw, frames: int, name: str) -> np.ndarray:
    if total < frames:
        raise TooShort(name, f"too short: {total} frames where {frames} are needed")
    return slots.frames(total, 0, 1, draw, frames)


def _opened(name: str) -> Any:
    """The builder of a data set that is prepared."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow_datasets as tfds

    is_folder = storage.exists(f"{name.rstrip('/')}/dataset_info.json")
    try:
        builder = tfds.builder_from_directory(name) if is_folder else tfds.builder(name)
        prepared = is_folder or builder.is_prepared()
    except ImportError as error:
        raise ValueError(
            f"data.tfds {name} needs {error.name} to be opened (a Video feature needs TensorFlow): "
            f"pip install {'tensorflow-cpu' if error.name == 'tensorflow' else error.name}."
        ) from error
    except (ValueError, AssertionError) as error:
        said = str(error).splitlines()[0]
        raise ValueError(
            f"data.tfds {name}: {said} Give a name that TFDS knows (some of them only with "
            "TensorFlow), or the folder of a prepared data set, with dataset_info.json."
        ) from error
    if not prepared:
        raise FileNotFoundError(
            f"data.tfds {name} is not prepared in {builder.data_dir}: {PREPARE.format(name=name)}."
        )
    return builder


def _data_source(builder: Any, name: str, split: str, pixels: str, kind: str) -> Any:
    import tensorflow_datasets as tfds

    encoded = tfds.decode.SkipDecoding()
    encoded.decode_batch_example_np = encoded.decode_example_np  # of a sequence: TFDS lacks it
    try:
        skipped = {pixels: encoded} if kind in ("frames", "still") else None
        return builder.as_data_source(split, decoders=skipped)
    except NotImplementedError as error:
        raise ValueError(
            f"data.tfds {name} is prepared as {builder.info.file_format.name.lower()}, which has "
            f"no random access: {PREPARE.format(name=name)}."
        ) from error
    except (KeyError, ValueError) as error:
        splits = ", ".join(builder.info.splits)
        raise ValueError(
            f"data.tfds {name} has no split {split!r}; its splits are: {splits}."
        ) from error


def _is(feature: Any, *names: str) -> bool:
    return any(kind.__name__ in names for kind in type(feature).__mro__)


def _holds_pixels(feature: Any) -> bool:
    inner = getattr(feature, "feature", None)
    pictures = _is(feature, "Sequence") and _is(inner, "Image")
    clips = _is(feature, "Tensor") and len(feature.shape) == 4 and feature.np_dtype == np.uint8
    clips = clips and feature.shape[-1] in (1, 3, None)
    return pictures or _is(feature, "Image") or clips


def _kind(name: str, role: str, feature: Any) -> str:
    if _is(feature, "Sequence"):
        return "frames"
    if _is(feature, "Image"):
        return "still"
    if _holds_pixels(feature):
        return "array"
    if _is(feature, "Text") or (_is(feature, "Tensor") and not feature.shape):
        return "film"
    raise ValueError(f"data.tfds {name}: the feature {role} ({feature}) holds no pixels.")


def _roles(name: str, known: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    candidates = {
        "pixels": [key for key, feature in known.items() if _holds_pixels(feature)],
        "label": [key for key, feature in known.items() if _is(feature, "ClassLabel")],
        "caption": [key for key in CAPTIONS if _is(known.get(key), "Text")][:1],
    }
    roles = {}
    for role in ROLES:
        if given.get(role):
            if given[role] not in known:
                raise ValueError(
                    f"data.tfds_features.{role} is {given[role]!r}; the features of {name} are: "
                    f"{', '.join(known)}."
                )
            roles[role] = given[role]
        elif len(candidates[role]) > 1 or (role == "pixels" and not candidates[role]):
            found = ", ".join(candidates[role]) or "none"
            raise ValueError(
                f"data.tfds {name}: which feature is the {role}? Of {', '.join(known)} these would "
                f"do: {found}; name one by data.tfds_features.{role}."
            )
        else:
            roles[role] = candidates[role][0] if candidates[role] else ""
    return roles
