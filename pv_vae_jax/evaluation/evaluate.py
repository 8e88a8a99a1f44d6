"""A model, or a generator's samples, measured by a protocol: one result, whole.

    result = model | protocol with what was found there | figures with intervals | speed | time

What was found: keys and sources of the videos (a list with its checksum), a checksum of their
decoded frames, checksums of the judges, the versions of the decoders.  So two results with equal
protocols looked at the same pixels through the same networks.
"""

import dataclasses
import datetime
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from pv_vae_jax.core import storage, trees
from pv_vae_jax.evaluation import (
    datasets,
    figures,
    judging,
    placing,
    protocol,
    speed,
    tables,
    videos,
)
from pv_vae_jax.evaluation.looking import Looking, Reconstruction
from pv_vae_jax.evaluation.measuring import Spent, Video, measure
from pv_vae_jax.evaluation.protocol import Protocol
from pv_vae_jax.evaluation.rows import Folder, Row
from pv_vae_jax.losses import perceptual
from pv_vae_jax.metrics import fidelity
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.pretrained import c3d, i3d
from pv_vae_jax.pretrained.judge import Judge
from pv_vae_jax.zoo import registry

LIST = "videos.txt"
REAL = "real"  # the label of the videos that samples are compared with
LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Setup:
    """How a protocol is run.

    Attributes:
      used: the protocol.
      data: folders of its data sets, by name.
      out: folder of the results, a path or a URL.
      batch: clips at once on each device.
      judge: a user's own I3D, or None for the pinned one.
      classifier: a user's own C3D (file, mean, how its frames are prepared); no file: none.
      keys: of the videos, instead of the protocol's first ones.
      replace: let the next videos stand in for those that cannot be used.
    """

    used: Protocol
    data: Mapping[str, str]
    out: Any
    batch: int = 1
    judge: str | None = None
    classifier: tuple[str | None, str | None, str] = (None, None, "c3d")
    keys: Sequence[str] | None = None
    replace: bool = False

    def __post_init__(self):
        if self.batch < 1:
            raise ValueError(f"--batch is at least 1, got {self.batch}.")


def reconstruction(setup: Setup, vae: VideoVAE, about: dict[str, Any]) -> dict[str, Any]:
    """Measures a video VAE, and writes the result into ``OUT/LABEL``.

    Args:
      setup: of a protocol of reconstruction.
      vae: the model; it computes in the protocol's precision.
      about: what a result says of it: name, label, spec, parameters, sha256, trained.

    Returns:
      The result, as JSON values.

    Raises:
      ValueError: another task, videos that cannot be used, or a result that is not finite.
      FileNotFoundError: a data set or a judge is missing; the message says what to get.
    """
    used = _of_task(setup.used, "reconstruction")
    vae = placed(vae, used.precision)
    vae.spec.latent_shape(used.frames, used.height, used.width)  # or a sentence
    features = judging.Features(_judge(setup))
    lpips = perceptual.load(used.lpips)
    judges = {"judge": _judged(features), "lpips": {"sha256": _digest_of(lpips.params)}}
    spent = Spent()
    rows_of = Reconstruction(vae, about["label"], features, lpips, spent)
    folder = Folder(setup.out / about["label"])
    folder.open(_made(used, judges) | {"model": _digest_of(vae.params)})
    rows, replaced = _measured(setup, folder, rows_of, spent)
    found = {
        "model": about,
        "protocol": _filled(used, rows) | judges,
        "figures": _plain(figures.reconstruction(rows, used.seed)),
        "warnings": figures.warnings(rows),
        "speed": _speed(used, vae),
    }
    return _written(folder, found, rows, replaced, spent)


def generation(setup: Setup, samples: str, label: str) -> dict[str, Any]:
    """Measures a generator's samples, and writes the result into ``OUT/LABEL``.

    Args:
      setup: of a protocol of generation.
      samples: a folder of films, or an ``.npz`` (evaluation/videos.py).
      label: of the result.

    Returns:
      The result, as JSON values.

    Raises:
      ValueError: another task, videos that cannot be used, or fewer samples than videos.
      FileNotFoundError: samples, a data set or a judge are missing.
    """
    used = _of_task(setup.used, "generation")
    features, classifier = judging.Features(_judge(setup)), None
    judges = {"judge": _judged(features)}
    if setup.classifier[0] or used.classifier:
        classifier = judging.Features(c3d.load(*setup.classifier))
        judges["classifier"] = _judged(classifier)
    spent = Spent()
    made = _made(used, judges)
    real, own = Folder(setup.out / REAL), Folder(setup.out / label)
    real.open(made)
    own.open(made | {"samples": samples})
    rows, replaced = _measured(setup, real, Looking(features, None, spent), spent)
    generated = measure(
        f"{used.name}, samples",
        videos.of_samples(used, samples),
        used.videos,
        own,
        Looking(features, classifier, spent),
        _batch(setup),
        False,
        spent,
    )
    found = {
        "model": {"name": label, "label": label, "spec": "", "parameters": 0, "trained": True},
        "samples": protocol.checksum(row.digest for row in generated),
        "protocol": _filled(used, rows) | judges,
        "figures": _plain(figures.generation(rows, generated, used.seed, used.judge)),
        "warnings": figures.warnings(rows),
        "speed": None,
    }
    return _written(own, found, rows, replaced, spent)


def placed(vae: VideoVAE, dtype: str) -> VideoVAE:
    """The same model computing in another type, on all devices of this host."""
    fields = vae.config["fields"] | {"dtype": dtype}
    config = vae.config | {"fields": fields}
    module = registry.build(config["name"], **fields)
    return VideoVAE(module, placing.whole(vae.params), vae.mean, vae.std, config)


def _of_task(used: Protocol, task: str) -> Protocol:
    if used.task != task:
        what = {"reconstruction": "--model", "generation": "--samples"}.get(
            used.task, "launch.analyse"
        )
        raise ValueError(f"{used.name} is a protocol of {used.task}: it is for {what}.")
    return used


def _judge(setup: Setup) -> Judge:
    judge = i3d.load(setup.judge)
    judge.check()
    return judge


def _judged(features: judging.Features) -> dict[str, str]:
    judge = features.judge
    return {"name": judge.name, "sha256": judge.sha256, "prepared": judge.prepared}


def _digest_of(params: Any) -> str:
    """sha256 of all parameters, by path."""
    total = hashlib.sha256()
    for path, leaf in sorted(trees.flatten(params).items()):
        total.update(f"{path}{leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes())
    return total.hexdigest()


def _made(used: Protocol, judges: dict[str, Any]) -> dict[str, Any]:
    """What rows depend on: not on how many there are, nor on which."""
    fields = json.loads(json.dumps(dataclasses.asdict(used)))
    free = ("name", "videos", "seed", "speed", "datasets", "split")
    clip = {key: value for key, value in fields.items() if key not in free}
    return {"clip": clip | {"filter": datasets.FILTER}, "decoder": protocol.decoder()} | judges


def _batch(setup: Setup) -> int:
    return setup.batch * jax.local_device_count()


def _measured(setup: Setup, folder: Folder, rows_of, spent: Spent) -> tuple[list[Row], list[Row]]:
    """Rows of the protocol's videos, and those of videos whose place others took."""
    used = setup.used
    available: list[Video] = videos.of_datasets(used, setup.data)
    if setup.keys is not None:
        available = videos.listed(available, setup.keys, used)
    rows = measure(
        used.name, available, used.videos, folder, rows_of, _batch(setup), setup.replace, spent
    )
    return [row for row in rows if not row.reason], [row for row in rows if row.reason]


def _filled(used: Protocol, rows: Sequence[Row]) -> dict[str, Any]:
    """The protocol with what was found there."""
    return dataclasses.asdict(used) | {
        "filter": datasets.FILTER,
        "fidelity": fidelity.PROTOCOL,
        "distances": figures.PROTOCOL,
        "list_sha256": protocol.checksum(row.key for row in rows),
        "frames_sha256": protocol.checksum(row.digest for row in rows),
        "decoder": protocol.decoder(),
    }


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dataclasses.asdict(interval) for name, interval in found.items()}


def _speed(used: Protocol, vae: VideoVAE) -> dict[str, Any] | None:
    batch, warmup, repeats = used.speed
    if not repeats:
        return None
    return speed.inference(vae, (batch, used.frames, used.height, used.width), warmup, repeats)


def _written(
    folder: Folder, found: dict[str, Any], rows: list[Row], replaced: list[Row], spent: Spent
) -> dict[str, Any]:
    """Adds what all results have, and writes list, table and result, in this order."""
    found |= {
        "level": LEVEL,
        "replaced": {row.key: row.reason for row in replaced},
        "seconds": {what: round(each, 3) for what, each in spent.seconds.items()},
        "versions": protocol.versions() | {"python": platform.python_version()},
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    found = json.loads(json.dumps(found))
    if jax.process_index() == 0:
        storage.write(folder.where / LIST, "".join(f"{row.key}\n" for row in rows))
        storage.write(folder.where / "table.md", tables.table([found]) + "\n")
        storage.write(folder.where / tables.RESULT, json.dumps(found, indent=1) + "\n")
    return found
