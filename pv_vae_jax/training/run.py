"""What a config describes, as objects: the model, the stages, their data.

The one place that reads the keys of ``configs/base.py``.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from pv_vae_jax.core import dims, rng, trees
from pv_vae_jax.data import buckets, clips, images, pipeline, shards, sources, tfds_source
from pv_vae_jax.losses import perceptual
from pv_vae_jax.models import discriminators
from pv_vae_jax.training import profiling
from pv_vae_jax.training.adversary import Adversary
from pv_vae_jax.training.stages import Stage, stages_of
from pv_vae_jax.withholding import Withholding
from pv_vae_jax.zoo import registry


@dataclasses.dataclass(frozen=True)
class Run:
    """Built by :meth:`of`; ``config`` is the resolved config as plain dicts."""

    config: dict[str, Any]
    module: nn.Module
    stages: tuple[Stage, ...]
    discriminator: discriminators.Discriminator | None = None

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Run":
        """Raises ValueError, beginning with the key, for a value that cannot be."""
        model = config["model"]
        module = registry.build(model["name"], **model["fields"])
        stages = stages_of(config)
        discriminator = None
        if any("gan" in stage.weights for stage in stages):
            try:
                discriminator = discriminators.build(**config["discriminator"])
            except (TypeError, ValueError) as error:
                raise ValueError(f"config.discriminator: {error}") from error
        profiling.steps(config["profile"])
        run = cls(config, module, stages, discriminator)
        for stage in run.stages:
            try:
                dims.groups_of(stage.data.frames, module.spec.temporal)
                for height, width, *_ in stage.data.buckets:
                    dims.check_size(height, width, module.spec.spatial)
            except ValueError as error:
                raise ValueError(f"config.stages.{stage.name}.data: {error}") from error
            try:
                for height, width, *_ in stage.data.buckets:
                    grid = module.spec.latent_shape(stage.data.frames, height, width)[:3]
                    stage.withholding.check(*grid)
                stage.withholding.check_encoder(module.spec.encoder_causal, model["name"])
            except ValueError as error:
                raise ValueError(f"config.stages.{stage.name}: {error}") from error
        return run

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn."""
        return self.config["seed"]

    def initial_params(self) -> trees.Tree:
        """Fresh parameters, a function of the seed."""
        initial = functools.partial(registry.initial, self.module)
        return jax.jit(initial)(rng.stream_key(self.seed, "init"))

    def initial_discriminator(self, stage: Stage, before: Adversary | None = None) -> trees.Tree:
        """The discriminator's variables at the first step of a stage, {} without a GAN.

        It goes on from ``before``, that of an earlier stage, or is fresh, a function of the seed.
        """
        if "gan" not in stage.weights:
            return {}
        if before:
            return before.variables
        side = max(2 ** len(self.discriminator.widths), self.module.spec.spatial)
        clip = np.zeros((1, stage.data.frames, side, side, 3), np.float32)
        key = rng.stream_key(self.seed, "init/discriminator")
        return jax.jit(self.discriminator.init)(key, clip)

    def lpips(self, stage: Stage) -> perceptual.LPIPS | None:
        """The LPIPS of a stage, None without; its weights are fetched once if need be."""
        if "lpips" not in stage.weights:
            return None
        return perceptual.load(stage.perceptual.backbone)

    def _sources(self, stage: Stage, held_out: bool) -> dict[str, tuple[sources.Source, int]]:
        """By name, with weights; stills are pictures, or frames of videos and shards if none."""
        data = self.config["data"]
        cut = 1.0 - data["held_out"]
        found: dict[str, tuple[sources.Source, int]] = {}
        span, first = ((cut, 1.0) if held_out else (0.0, cut)), jax.process_index() == 0
        stills = stage.data.frames == 1 and data["images"] and data["images_weight"]
        if stills:
            pictures = images.ImageFiles(data["images"], span, first, data["labels"])
            found["images"] = (pictures, data["images_weight"])
        elif data["videos"] and data["videos_weight"]:
            files = sources.VideoFiles(
                data["videos"], span=span, progress=first, labels=data["labels"]
            )
            found["videos"] = (files.of_length(stage.data.frames), data["videos_weight"])
        split = "held_out" if held_out else "train"
        if not stills and data["shards"] and data["shards_weight"]:
            pieces = shards.Shards(data["shards"], split)
            if not held_out:  # opened too, so that a run without such clips ends at its start
                shards.Shards(data["shards"], "held_out").of_length(stage.data.frames)
            found["shards"] = (pieces.of_length(stage.data.frames), data["shards_weight"])
        if data["tfds"] and data["tfds_weight"]:
            found["tfds"] = (self._tfds(span, held_out), data["tfds_weight"])
        if data["rendered_weight"]:
            found["rendered"] = (sources.Rendered(split=split), data["rendered_weight"])
        if not found:
            raise ValueError(
                f"config.data names no source for clips of {stage.data.frames} frames: set "
                "data.videos to a folder, list or file of videos (and data.videos_weight above 0), "
                "data.shards to a prepared folder, data.tfds, data.rendered_weight above 0, or for "
                "stills data.images."
            )
        return found

    def _tfds(self, span: tuple[float, float], held_out: bool) -> tfds_source.TFDS:
        """The split of this part, or this part of the only split."""
        data = self.config["data"]
        split = data["tfds_held_out"] if held_out else data["tfds_split"]
        if data["tfds_held_out"]:
            return tfds_source.TFDS(data["tfds"], split, features=data["tfds_features"])
        return tfds_source.TFDS(data["tfds"], data["tfds_split"], span, data["tfds_features"])

    def training_data(self, stage: Stage) -> pipeline.TrainingData:
        """The clips of a stage; every stage draws its own."""
        form = stage.data
        return pipeline.TrainingData(
            sources=tuple(self._sources(stage, held_out=False).values()),
            buckets=tuple(buckets.Bucket(*bucket) for bucket in form.buckets),
            frames=form.frames,
            temporal=self.module.spec.temporal,
            withholding=stage.withholding,
            seed=rng.fold(self.seed, f"data/{stage.name}"),
            augment=clips.Augment(strides=form.strides, flip=form.flip, reversal=form.reversal),
            spatial=self.module.spec.spatial,
        )

    def held_out(self, stage: Stage, count: int) -> dict[str, np.ndarray]:
        """Held-out clips of each source by name, at most ``count``, uint8 ``[n, T, H, W, 3]``.

        They do not change with the run's seed: no augmentation, stride 1, the largest bucket.
        """
        height, width = max(bucket[:2] for bucket in stage.data.buckets)
        found = {}
        for name, (source, _) in self._sources(stage, held_out=True).items():
            clips_of = pipeline.TrainingData(
                sources=[source],
                buckets=[buckets.Bucket(height, width, min(count, len(source)))],
                frames=stage.data.frames,
                temporal=self.module.spec.temporal,
                withholding=Withholding("none"),
                seed=self.seed,  # of nothing: no clip is drawn
                augment=None,
            )
            found[name] = clips_of.element(0)["video"]
        return found

    def calibration_videos(self, stage: Stage, batches: int) -> Iterator[np.ndarray]:
        """The first training batches of the stage, whole clips, the same on every host."""
        plain = dataclasses.replace(stage, withholding=Withholding(kind="none"))
        data = self.training_data(plain)
        for _, batch in zip(range(batches), data.batches(0), strict=False):
            yield np.asarray(batch.video)
