"""What a figure was measured on, as a value.

    two figures may stand in one table  <=>  their protocols are equal                      (1)

A protocol names the clips (data set, split, how many, frames, stride, size, filter), the judges and
the precision; a result (evaluate.py) adds what it found there: the list of videos, checksums of
that list, of the decoded frames and of the judges, and the versions of what decoded them.
Which videos: those with the least sha256 of "seed:key", so that every subset is a random one and
the videos of a smaller protocol are among those of a larger one.
"""

import dataclasses
import hashlib
import importlib.metadata
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import av
import cv2

from pv_vae_jax.core import fields

TASKS = ("reconstruction", "generation", "latents")
JUDGE = "i3d-kinetics400"
PACKAGES = ("jax", "jaxlib", "flax", "numpy", "scipy", "scikit-image")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One way to measure.

    Attributes:
      name: of the protocol; one that was changed says so.
      task: "reconstruction" (a VAE against the originals), "generation" (samples against the real
        videos as distributions) or "latents" (analyses of the latents alone).
      datasets: names of evaluation/datasets, each giving its share of the videos.
      split: of the data sets that have some; "" where they have none.
      videos: how many in all.
      frames: of each, its first ones; T = 1 + 4n.
      stride: source frames per frame.
      height: rows, after resizing the shorter side and cropping the centre.
      width: columns.
      lpips: network of LPIPS.
      judge: network of the distances between distributions.
      classifier: network of the Inception Score.
      precision: compute type of the model; judges are float32.
      seed: of the choice of videos, and of what is drawn.
      speed: (clips of a batch, runs of warm-up, counted runs); no runs: not measured.
    """

    name: str
    task: str = "reconstruction"
    datasets: tuple[str, ...] = ("kinetics400",)
    split: str = "validate"
    videos: int = 2048
    frames: int = 17
    stride: int = 1
    height: int = 256
    width: int = 256
    lpips: str = "alexnet"
    judge: str = JUDGE
    classifier: str = ""
    precision: str = "float32"
    seed: int = 0
    speed: tuple[int, int, int] = (4, 50, 100)

    def __post_init__(self):
        if self.task not in TASKS:
            raise ValueError(f"the task of a protocol is one of {', '.join(TASKS)}: {self.task!r}.")
        if self.judge != JUDGE:
            raise ValueError(
                f"the judge is {JUDGE}, or a file of your own by --judge: {self.judge!r}."
            )
        least = dict.fromkeys(("videos", "frames", "stride", "height", "width"), 1)
        fields.at_least(vars(self), least, "a protocol's ")
        if len(self.speed) != 3 or self.speed[0] < 1 or min(self.speed) < 0:
            raise ValueError(
                "a protocol's speed is clips of a batch, runs of warm-up (or 0) and counted runs "
                f"(or 0); got {self.speed}."
            )

    def changed(self, settings: Iterable[str]) -> "Protocol":
        """The same with some fields otherwise, and a name that tells which.

        Args:
          settings: "FIELD=VALUE" each, tuples with commas between their values.

        Raises:
          ValueError: no such field, or a value of another type.
        """
        kinds = typing.get_type_hints(type(self))
        values: dict[str, Any] = {}
        for setting in settings:
            field, equals, text = setting.partition("=")
            if not equals or field == "name" or field not in kinds:
                fields = ", ".join(field for field in kinds if field != "name")
                raise ValueError(f"--set is FIELD=VALUE with one of {fields}; got {setting!r}.")
            values[field] = _parsed(kinds[field], text, setting)
        values = {field: v for field, v in values.items() if v != getattr(self, field)}
        if not values:
            return self
        told = ",".join(f"{field}={_text(value)}" for field, value in values.items())
        return dataclasses.replace(self, **values, name=f"{self.name}+{told}")


def _parsed(kind: Any, text: str, setting: str) -> Any:
    try:
        if kind in (int, str):
            return kind(text)
        each, *_ = typing.get_args(kind)
        found = tuple(each(part) for part in text.split(",") if part)
    except ValueError as error:
        raise ValueError(f"--set {setting}: {text!r} is not a whole number.") from error
    wanted = typing.get_args(kind)
    if Ellipsis not in wanted and len(found) != len(wanted):
        raise ValueError(f"--set {setting}: {len(wanted)} values are wanted, with commas between.")
    return found


def _text(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


_STUDIES: dict[str, Any] = {"frames": 9, "height": 32, "width": 32, "speed": (8, 0, 0)}


def _of_studies(world: str, videos: int, stride: int = 1) -> tuple[Protocol, ...]:
    """Those of the small studies (configs/studies): 9 frames of 32 x 32, no speed.

    Reconstruction and latents of 109 clips that nothing was trained on (of rendered scenes: other
    scenes in the colours of training); samples against ``videos`` clips of the distribution that
    generators are trained on.
    """
    unseen = "held_out" if world == "film" else "train"
    form = _STUDIES | {"datasets": (world,), "stride": stride}
    return (
        Protocol(f"{world}-recon", split=unseen, videos=109, **form),
        Protocol(f"{world}-gen", task="generation", split="train", videos=videos, **form),
        Protocol(f"{world}-ltd", task="latents", split=unseen, videos=109, **form),
    )


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("k400-recon-256"),
        Protocol("k400-recon-512", height=512, width=512),
        Protocol("k400-ltd", task="latents", videos=1000),
        Protocol(
            "ucf101-gen",
            task="generation",
            datasets=("ucf101",),
            split="all",
            classifier="c3d-ucf101",
            speed=(4, 0, 0),
        ),
        Protocol(
            "re10k-gen",
            task="generation",
            datasets=("realestate10k",),
            split="train",
            speed=(4, 0, 0),
        ),
        Protocol(
            "small",
            datasets=("shipped", "rendered"),
            split="",
            videos=32,
            height=64,
            width=64,
            speed=(1, 1, 3),
        ),
        Protocol(
            "small-ltd",
            task="latents",
            datasets=("shipped", "rendered"),
            split="",
            videos=32,
            height=128,
            width=128,
            speed=(1, 0, 0),
        ),
        *_of_studies("smooth", videos=512),
        *_of_studies("film", videos=464, stride=2),
        Protocol(
            "live-recon", datasets=("live_action",), split="", videos=18, stride=2, **_STUDIES
        ),
        Protocol(
            "small-gen",
            task="generation",
            datasets=("shipped",),
            split="",
            videos=24,
            frames=9,
            height=32,
            width=32,
            speed=(1, 0, 0),
        ),
    )
}


def named(name: str) -> Protocol:
    """A protocol by name.

    Raises:
      ValueError: there is none of this name; the message lists those that there are.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"no protocol is named {name!r}; there are: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def order(seed: int, keys: Iterable[str]) -> list[str]:
    """The keys of videos in the order in which a protocol takes them."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest())


def checksum(lines: Iterable[str]) -> str:
    """sha256 of lines of text, such as the keys of the videos or the digests of their frames."""
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def decoder() -> dict[str, str]:
    """The versions of what turns files into pixels."""
    libraries = {
        f"ffmpeg {name}": ".".join(map(str, av.library_versions[name]))
        for name in ("libavcodec", "libswscale")
        if name in av.library_versions
    }
    return {"av": av.__version__, "opencv": cv2.__version__} | libraries


def versions() -> dict[str, str]:
    """The versions of what computes the figures; they are told, not compared."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Equation (1): in which fields two protocols differ, "field: a, b" each; none: they are equal.

    Nested values are compared part by part; the name tells nothing that the fields do not.
    """
    found = []
    for field in sorted({*one, *other} - {"name"}):
        a, b = one.get(field), other.get(field)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += [f"{field}.{line}" for line in differences(a, b)]
        elif _plain(a) != _plain(b):
            found.append(f"{field}: {_short(a)}, {_short(b)}")
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text
