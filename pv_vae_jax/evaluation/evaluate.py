"""A model, or a generator's samples, measured by a protocol.

    protocol -> videos -> rows -> figures -> result

Each step is a file of this folder; results.py tells what a result holds.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from pv_vae_jax.evaluation import figures, judging, placing, protocol, results, speed, videos
from pv_vae_jax.evaluation.looking import Looking, Reconstruction
from pv_vae_jax.evaluation.measuring import Spent, Video, measure
from pv_vae_jax.evaluation.protocol import Protocol
from pv_vae_jax.evaluation.rows import Folder, Row
from pv_vae_jax.losses import perceptual
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.pretrained import c3d, i3d
from pv_vae_jax.pretrained.judge import Judge
from pv_vae_jax.zoo import registry

REAL = "real"  # the label of the videos that samples are compared with


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
    judges = {
        "judge": results.judged(features),
        "lpips": {"sha256": results.digest_of(lpips.params)},
    }
    spent = Spent()
    rows_of = Reconstruction(vae, about["label"], features, lpips, spent)
    folder = Folder(setup.out / about["label"])
    folder.open(results.made(used, judges) | {"model": results.digest_of(vae.params)})
    rows, replaced = _measured(setup, folder, rows_of, spent)
    found = {
        "model": about,
        "protocol": results.filled(used, rows) | judges,
        "figures": results.plain(figures.reconstruction(rows, used.seed)),
        "warnings": figures.warnings(rows),
        "speed": _speed(used, vae),
    }
    return results.write(folder, found, rows, replaced, spent)


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
    judges = {"judge": results.judged(features)}
    if setup.classifier[0] or used.classifier:
        classifier = judging.Features(c3d.load(*setup.classifier))
        judges["classifier"] = results.judged(classifier)
    spent = Spent()
    made = results.made(used, judges)
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
        "protocol": results.filled(used, rows) | judges,
        "figures": results.plain(figures.generation(rows, generated, used.seed, used.judge)),
        "warnings": figures.warnings(rows),
        "speed": None,
    }
    return results.write(own, found, rows, replaced, spent)


def placed(vae: VideoVAE, dtype: str) -> VideoVAE:
    """The same model computing in another type, on all devices of this host."""
    fields = vae.config["fields"] | {"dtype": dtype}
    config = vae.config | {"fields": fields}
    module = registry.build(config["name"], **fields)
    return VideoVAE(module, placing.whole(vae.params), vae.mean, vae.std, config)


def _of_task(used: Protocol, task: str) -> Protocol:
    if used.task != task:
        flags = {"reconstruction": "for --model", "generation": "for --samples"}
        told = flags.get(used.task, "not of this door")
        raise ValueError(f"{used.name} is a protocol of {used.task}: it is {told}.")
    return used


def _judge(setup: Setup) -> Judge:
    judge = i3d.load(setup.judge)
    judge.check()
    return judge


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


def _speed(used: Protocol, vae: VideoVAE) -> dict[str, Any] | None:
    batch, warmup, repeats = used.speed
    if not repeats:
        return None
    return speed.inference(vae, (batch, used.frames, used.height, used.width), warmup, repeats)
