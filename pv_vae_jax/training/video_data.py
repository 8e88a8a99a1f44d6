"""From ``config.data`` to the clips of a stage: sources by name, with weights.

    stills     pictures, or frames of videos and shards if there are none
    videos     files; shards that launch.prepare_data made; a TFDS data set; rendered scenes

The last part of each video, ``data.held_out``, is not trained on; shards and rendered scenes have
splits of their own.
"""

from typing import Any

import jax
import numpy as np

from pv_vae_jax.data import buckets, clips, images, pipeline, shards, sources, tfds_source
from pv_vae_jax.training.stages import StageData
from pv_vae_jax.withholding import Withholding


def of(data: dict[str, Any], frames: int, held_out: bool) -> dict[str, tuple[sources.Source, int]]:
    """The sources by name, with weights.

    Args:
      data: ``config.data``.
      frames: T of the clips.
      held_out: the part that is not trained on, rather than the part that is.

    Raises:
      ValueError: no source is named.
      FileNotFoundError: one is not there.
    """
    cut = 1.0 - data["held_out"]
    found: dict[str, tuple[sources.Source, int]] = {}
    span, first = ((cut, 1.0) if held_out else (0.0, cut)), jax.process_index() == 0
    stills = frames == 1 and data["images"] and data["images_weight"]
    if stills:
        pictures = images.ImageFiles(data["images"], span, first, data["labels"])
        found["images"] = (pictures, data["images_weight"])
    elif data["videos"] and data["videos_weight"]:
        files = sources.VideoFiles(data["videos"], span=span, progress=first, labels=data["labels"])
        found["videos"] = (files.of_length(frames), data["videos_weight"])
    split = "held_out" if held_out else "train"
    if not stills and data["shards"] and data["shards_weight"]:
        pieces = shards.Shards(data["shards"], split)
        if not held_out:  # opened too, so that a run without such clips ends at its start
            shards.Shards(data["shards"], "held_out").of_length(frames)
        found["shards"] = (pieces.of_length(frames), data["shards_weight"])
    if data["tfds"] and data["tfds_weight"]:
        found["tfds"] = (_tfds(data, span, held_out), data["tfds_weight"])
    if data["rendered_weight"]:
        scenes = sources.Rendered(split=split, world=data["rendered_world"])
        found["rendered"] = (scenes, data["rendered_weight"])
    if not found:
        raise ValueError(
            f"config.data names no source for clips of {frames} frames: set "
            "data.videos to a folder, list or file of videos (and data.videos_weight above 0), "
            "data.shards to a prepared folder, data.tfds, data.rendered_weight above 0, or for "
            "stills data.images."
        )
    return found


def _tfds(data: dict[str, Any], span: tuple[float, float], held_out: bool) -> tfds_source.TFDS:
    """The split of this part, or this part of the only split."""
    split = data["tfds_held_out"] if held_out else data["tfds_split"]
    if data["tfds_held_out"]:
        return tfds_source.TFDS(data["tfds"], split, features=data["tfds_features"])
    return tfds_source.TFDS(data["tfds"], data["tfds_split"], span, data["tfds_features"])


def training(
    data: dict[str, Any], form: StageData, temporal: int, spatial: int, withholding: Withholding,
    seed: int, scale: tuple[float, float] = clips.Augment.scale,
) -> pipeline.TrainingData:  # fmt: skip
    """The clips that a stage trains on.

    Args:
      data: ``config.data``.
      form: of the clips.
      temporal: frames per group.
      spatial: pixels per latent row and column.
      withholding: what the encoder does not see.
      seed: of everything that is drawn.
      scale: smallest and largest side of a crop over that of the largest.
    """
    drawn = clips.Augment(form.strides, scale, form.flip, form.reversal)
    return pipeline.TrainingData(
        sources=tuple(of(data, form.frames, held_out=False).values()),
        buckets=tuple(buckets.Bucket(*bucket) for bucket in form.buckets),
        frames=form.frames,
        temporal=temporal,
        withholding=withholding,
        seed=seed,
        augment=drawn,
        spatial=spatial,
    )


def held_out(
    data: dict[str, Any], form: StageData, temporal: int, count: int
) -> dict[str, np.ndarray]:
    """Held-out clips of each source by name, at most ``count``, uint8 ``[n, T, H, W, 3]``.

    They do not change with a run's seed: no augmentation, stride 1, the largest bucket; of files
    evenly from all of them, of rendered scenes the first, which are as good as any.
    """
    height, width = max(bucket[:2] for bucket in form.buckets)
    found = {}
    for name, (source, _) in of(data, form.frames, held_out=True).items():
        if not isinstance(source, sources.Rendered):
            source = sources.Spread(source, count)
        clips_of = pipeline.TrainingData(
            sources=[source],
            buckets=[buckets.Bucket(height, width, min(count, len(source)))],
            frames=form.frames,
            temporal=temporal,
            withholding=Withholding("none"),
            seed=0,  # of nothing: no clip is drawn
            augment=None,
        )
        found[name] = clips_of.element(0)["video"]
    return found
