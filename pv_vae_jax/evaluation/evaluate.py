"""A model, or a generator's samples, measured by a protocol.

    protocol -> videos -> rows -> figures -> result

Each step is a file of this folder; results.py tells what a result holds.
"""

from collections.abc import Mapping
from typing import Any

import jax

from pv_vae_jax.core import storage, trees
from pv_vae_jax.evaluation import figures, protocol, results, speed, videos
from pv_vae_jax.evaluation.looking import Looking, Reconstruction
from pv_vae_jax.evaluation.measuring import Spent, measure
from pv_vae_jax.evaluation.protocol import Protocol
from pv_vae_jax.evaluation.rows import Folder, Row
from pv_vae_jax.evaluation.setting import Setup
from pv_vae_jax.metrics import fidelity, intervals
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry

REAL = "real"  # the label of the videos that samples are compared with


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
    judges = {
        "judge": results.judged(setup.features),
        "lpips": {"name": used.lpips, "sha256": trees.digest(setup.lpips.params)},
    }
    folder = Folder(setup.out / about["label"])
    made = results.made(used, judges) | {"fidelity": fidelity.PROTOCOL, "model": _identity(vae)}
    before = _opened(folder, made, setup)
    spent = Spent(before.get("seconds", {}))
    rows_of = Reconstruction(vae, about["label"], setup.features, setup.lpips, spent)
    rows, replaced = _measured(setup, folder, rows_of, spent)
    found = {
        "model": about,
        "command": setup.command,
        "protocol": results.filled(used, rows) | judges,
        "figures": results.plain(figures.reconstruction(rows, used.seed)),
        "warnings": figures.warnings(rows),
        "speed": _speed(used, vae, before.get("speed")),
    }
    return results.write(folder, found, rows, replaced, spent)


def generation(
    setup: Setup,
    samples: str,
    label: str,
    through: tuple[VideoVAE, str] | None = None,
    told: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Measures a generator's samples, and writes the result into ``OUT/LABEL``.

    Args:
      setup: of a protocol of generation.
      samples: a folder of films, or an ``.npz`` (evaluation/videos.py).
      label: of the result.
      through: a model with its label: samples are compared with its reconstructions of the videos,
        so that what its decoder does to all it decodes is in both; None: with the videos.
      told: JSON values that the result holds besides, such as how the samples were drawn.

    Returns:
      The result, as JSON values.

    Raises:
      ValueError: another task, videos that cannot be used, or fewer samples than videos.
      FileNotFoundError: samples, a data set or a judge are missing.
    """
    used = _of_task(setup.used, "generation")
    drawn, coding = videos.of_samples(used, samples), videos.coding(samples)
    if len(drawn) < used.videos:
        raise ValueError(
            f"{used.name} compares {used.videos} videos with as many samples, and {samples} has "
            f"{len(drawn)}: draw more, or --set videos={max(intervals.LEAST, len(drawn))}."
        )
    judges = {"judge": results.judged(setup.features)}
    if through is not None:
        vae = placed(through[0], used.precision)
        judges["through"] = {"name": through[1]} | _identity(vae)
        through = vae, through[1]
    real, own = Folder(setup.out / REAL), Folder(setup.out / label)
    real.open(results.made(used, judges), setup.anew)
    if setup.logits is not None:
        judges["classifier"] = results.judged(setup.logits)
        setup.logits.check_frames(used.frames)
    made = results.made(used, judges) | {"samples": storage.absolute(samples)}
    spent = Spent(_opened(own, made, setup).get("seconds", {}))
    looking = Looking(setup.features, None, spent, through)
    rows, replaced = _measured(setup, real, looking, spent)
    generated = measure(
        name=f"{used.name}, samples",
        videos=drawn,
        count=used.videos,
        folder=own,
        rows_of=Looking(setup.features, setup.logits, spent, keep=False),
        batch=_batch(setup),
        replace=False,
        spent=spent,
        shared=setup.shared,
        remedy="Draw them again, or remove them where there are more than enough.",
    )
    found = {
        "model": {"name": label, "label": label, "spec": "", "parameters": 0, "trained": True},
        "command": setup.command,
        "samples": protocol.checksum(row.digest for row in generated),
        "protocol": results.filled(used, rows) | judges | {"samples": coding},
        "figures": results.plain(figures.generation(rows, generated, used.seed, used.judge)),
        "warnings": figures.warnings(rows) + figures.of_coding(coding),
        "speed": None,
        **(told or {}),
    }
    return results.write(own, found, rows, replaced, spent)


def placed(vae: VideoVAE, dtype: str) -> VideoVAE:
    """The same model computing in another type, on all devices of this host."""
    fields = vae.config["fields"] | {"dtype": dtype}
    config = vae.config | {"fields": fields}
    module = registry.build(config["name"], **fields)
    return VideoVAE(module, vae.params, vae.mean, vae.std, config).on_all_devices()


def _of_task(used: Protocol, task: str) -> Protocol:
    if used.task != task:
        flags = {
            "reconstruction": "for --model",
            "generation": "for --samples",
            "latents": "for launch.analyse",
        }
        told = flags[used.task]
        raise ValueError(f"{used.name} is a protocol of {used.task}: it is {told}.")
    return used


def _batch(setup: Setup) -> int:
    return setup.batch * jax.local_device_count()


def _identity(vae: VideoVAE) -> dict[str, Any]:
    """What decides a reconstruction: parameters, and fields of which some change none."""
    return {"sha256": trees.digest(vae.params), "config": vae.config}


def _opened(folder: Folder, made: dict[str, Any], setup: Setup) -> dict[str, Any]:
    """The result that a folder has of the same rows, {} if none."""
    folder.open(made, setup.anew)
    return {} if setup.anew else results.earlier(folder, setup.used)


def _measured(setup: Setup, folder: Folder, rows_of, spent: Spent) -> tuple[list[Row], list[Row]]:
    """Rows of the protocol's videos, and those of videos whose place others took."""
    setup.features.check_frames(setup.used.frames)
    sources = {video.source for video in setup.videos[: setup.used.videos]}
    if len(sources) < intervals.LEAST:
        raise ValueError(
            f"{setup.used.name} looks at {len(sources)} source videos, and its intervals over them "
            f"want {intervals.LEAST}: --set videos=... to more, or complete the data set."
        )
    rows = measure(
        name=setup.used.name,
        videos=setup.videos,
        count=setup.used.videos,
        folder=folder,
        rows_of=rows_of,
        batch=_batch(setup),
        replace=setup.replace,
        spent=spent,
        shared=setup.shared,
    )
    return [row for row in rows if not row.reason], [row for row in rows if row.reason]


def _speed(used: Protocol, vae: VideoVAE, before: dict[str, Any] | None) -> dict[str, Any] | None:
    """Measured once on a kind of device."""
    batch, warmup, repeats = used.speed
    if not repeats:
        return None
    clips = batch, used.frames, used.height, used.width
    asked = {"clips": [*clips], "warmup": warmup, "repeats": repeats}
    asked |= {"device": jax.local_devices()[0].device_kind}
    if before and asked.items() <= before.items():
        return before
    return speed.inference(vae, clips, warmup, repeats)
