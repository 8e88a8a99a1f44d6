"""What a config describes, as objects: the model, the stages, their data.

The one place that reads the keys of ``configs/base.py``.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from pv_vae_jax.core import dims, rng, trees
from pv_vae_jax.data import buckets, clips, pipeline, sources
from pv_vae_jax.models import sizes
from pv_vae_jax.training.stages import Stage, stages_of
from pv_vae_jax.withholding import Withholding


@dataclasses.dataclass(frozen=True)
class Run:
    """Built by :meth:`of`; ``config`` is the resolved config as plain dicts."""

    config: dict[str, Any]
    module: nn.Module
    stages: tuple[Stage, ...]

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Run":
        """Raises ValueError, beginning with the key, for a value that cannot be."""
        model = config["model"]
        module = sizes.build(model["name"], **model["fields"])
        run = cls(config, module, stages_of(config))
        for stage in run.stages:
            try:
                dims.groups_of(stage.data.frames, module.spec.temporal)
                for height, width, *_ in stage.data.buckets:
                    dims.check_size(height, width, module.spec.spatial)
            except ValueError as error:
                raise ValueError(f"config.stages.{stage.name}.data: {error}") from error
        return run

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn."""
        return self.config["seed"]

    def initial_params(self) -> trees.Tree:
        """Fresh parameters, a function of the seed."""
        spec = self.module.spec
        clip = np.zeros((1, 1 + spec.temporal, spec.spatial, spec.spatial, 3), np.float32)
        return jax.jit(self.module.init)(rng.stream_key(self.seed, "init"), clip)["params"]

    def _sources(self, stage: Stage, held_out: bool) -> dict[str, tuple[sources.Source, int]]:
        data = self.config["data"]
        cut = 1.0 - data["held_out"]
        found: dict[str, tuple[sources.Source, int]] = {}
        if data["videos"] and data["videos_weight"]:
            span = (cut, 1.0) if held_out else (0.0, cut)
            first = jax.process_index() == 0
            files = sources.VideoFiles(data["videos"], span=span, progress=first)
            found["videos"] = (files.of_length(stage.data.frames), data["videos_weight"])
        if data["rendered_weight"]:
            split = "held_out" if held_out else "train"
            found["rendered"] = (sources.Rendered(split=split), data["rendered_weight"])
        if not found:
            raise ValueError(
                "config.data names no source: set data.videos to a folder, list or file of videos "
                "(and data.videos_weight above 0), or data.rendered_weight above 0."
            )
        return found

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
