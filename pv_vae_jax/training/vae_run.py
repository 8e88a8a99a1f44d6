"""A run that trains a video VAE: its config as objects, and what the loop asks (run.py).

The one place that reads the keys of ``configs/base.py``.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from pv_vae_jax.checkpoint import export
from pv_vae_jax.core import dims, rng, trees
from pv_vae_jax.data import pipeline
from pv_vae_jax.data.buckets import Bucket
from pv_vae_jax.losses import perceptual
from pv_vae_jax.models import discriminators
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import adversary as adversaries
from pv_vae_jax.training import (
    batch_shapes,
    calibration,
    profiling,
    splitting,
    vae_step,
    video_data,
)
from pv_vae_jax.training import state as states
from pv_vae_jax.training.placement import Placement
from pv_vae_jax.training.run import Run
from pv_vae_jax.training.stages import Stage, stages_of
from pv_vae_jax.withholding import Withholding, masks
from pv_vae_jax.zoo import registry


@dataclasses.dataclass(frozen=True)
class VAERun(Run):
    """Built by :meth:`of`; ``config`` is the resolved config as plain dicts."""

    config: dict[str, Any]
    module: nn.Module
    stages: tuple[Stage, ...]
    discriminator: discriminators.Discriminator | None = None

    shown = ("total", "mse")

    @classmethod
    def of(cls, config: dict[str, Any]) -> "VAERun":
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
    def name(self) -> str:
        """The model and its latents."""
        return f"{self.config['model']['name']} {self.module.spec}"

    @property
    def split(self) -> str:
        """``config.runtime.split``: "rows" or "time", "" if every device has whole clips."""
        return self.config["runtime"]["split"]

    def initial_params(self) -> trees.Tree:
        """Fresh parameters, a function of the seed."""
        initial = functools.partial(registry.initial, self.module)
        return jax.jit(initial)(rng.stream_key(self.seed, "init"))

    def initial_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of no normalisation: 0 and 1."""
        channels = self.module.spec.channels
        return np.zeros(channels, np.float32), np.ones(channels, np.float32)

    def initial_discriminator(
        self, stage: Stage, before: adversaries.Adversary | None = None
    ) -> trees.Tree:
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

    def initial_adversary(self, stage: Stage, discriminator: trees.Tree) -> Any:
        """The discriminator's side of the state, {} without a GAN."""
        if not discriminator:
            return {}
        return adversaries.start(discriminator, len(self.discriminator.kinds), stage)

    def check_placement(self, stage: Stage, mesh: Any, params: trees.Tree | None = None) -> None:
        """Raises ValueError if a clip of the stage is too small for its devices."""
        splitting.check(self, stage, mesh, params)

    def constants(self, stage: Stage) -> perceptual.LPIPS | None:
        """The LPIPS of a stage, None without; its weights are fetched once if need be."""
        if "lpips" not in stage.weights:
            return None
        return perceptual.load(stage.perceptual.backbone)

    def program(
        self, stage: Stage, data: pipeline.TrainingData, step: int
    ) -> tuple[vae_step.Program, Bucket]:
        """How many groups ``slice`` leaves out, GAN, R1; and the bucket."""
        bucket, withheld = data.schedule.bucket(step), 0
        if stage.withholding.way == "slice":
            withheld = int((~data.observed(step, data.schedule.start(step))).sum())
        gan = "gan" in stage.weights and stage.adversarial.runs_at(step)
        penalty = gan and stage.adversarial.penalises_at(step)
        return vae_step.Program(withheld, gan, penalty), bucket

    def update(
        self, placed: Placement, program: tuple[vae_step.Program, Bucket], constants: Any
    ) -> tuple[Callable, tuple]:
        """A program of ``(state, batch, LPIPS)``, and its arguments as shapes with shardings."""
        (which, bucket), stage, mesh = program, placed.stage, placed.mesh
        function = vae_step.compiled(
            vae_step.Networks(splitting.module_of(self, mesh), self.discriminator),
            stage,
            self.seed,
            which,
            placed.shardings,
            meshes.over_data(mesh),
        )
        video = bucket.batch, stage.data.frames, bucket.height, bucket.width
        groups, rows, columns, _ = self.module.spec.latent_shape(*video[1:])
        cells = (1, 1) if stage.withholding.kind in masks.WHOLE else (rows, columns)
        batch = batch_shapes.clips(mesh, video, (groups, *cells))
        return function, (placed.state, batch, constants)

    def finish(self, stage: Stage, mesh: Any, state: states.TrainState) -> states.TrainState:
        """Calibrates the latent statistics if the stage trained the encoder."""
        if not self.calibrates(stage, state.params):
            return state
        videos = self.calibration_videos(stage, self.config["runtime"]["calibration_batches"])
        params = meshes.to_host(states.model_params(state))
        parts = mesh.size if self.split else mesh.shape["data"]  # a device may have but a part
        videos = (each for v in videos for each in np.array_split(v, min(parts, len(v))))
        mean, std = calibration.latent_statistics(self.module, params, videos)
        found = meshes.put_replicated(mesh, {"latent_mean": mean, "latent_std": std})
        return state.replace(**found)

    @staticmethod
    def calibrates(stage: Stage, params: trees.Tree) -> bool:
        """Whether a stage changes the latents: it trains the encoder."""
        return "encoder" in trees.partition(params, stage.trainable)[0]

    def model(self, params: trees.Tree, mean: np.ndarray, std: np.ndarray) -> VideoVAE:
        """The video VAE of these parameters and statistics."""
        return VideoVAE(self.module, params, mean, std, self.config["model"])

    def read_model(self, path: str) -> VideoVAE:
        """Of an export, or of the public checkpoint of a baseline."""
        if export.is_export(path):
            return export.load(path)
        model = self.config["model"]
        return registry.from_reference(model["name"], path, **model["fields"])

    def leaves_of(self, model: VideoVAE, path: str) -> dict[str, Any]:
        """Its parameters by path; paddings that it lacks are fresh."""
        return registry.with_paddings(self.module, trees.flatten(model.params), self.seed)

    def training_data(self, stage: Stage) -> pipeline.TrainingData:
        """The clips of a stage; every stage draws its own."""
        spec, seed = self.module.spec, rng.fold(self.seed, f"data/{stage.name}")
        return video_data.training(
            self.config["data"], stage.data, spec.temporal, spec.spatial, stage.withholding, seed
        )

    def check_held_out(self) -> None:
        """Opens what is held out of the stages that are looked at, before anything is trained.

        Raises:
          ValueError: nothing is held out.
          FileNotFoundError: nothing of the length of the clips, or no source.
        """
        data = self.config["data"]
        each = self.config["runtime"]["evaluate_every"]
        for stage in self.stages if each else self.stages[-1:]:
            try:
                video_data.of(data, stage.data.frames, held_out=True)
            except (ValueError, FileNotFoundError) as error:
                raise type(error)(
                    f"held out to look at, by config.data.held_out = {data['held_out']}, for clips "
                    f"of {stage.data.frames} frames of config.stages.{stage.name}: {error}"
                ) from error

    def held_out(self, stage: Stage, count: int) -> dict[str, np.ndarray]:
        """Held-out clips of each source: :func:`video_data.held_out`."""
        return video_data.held_out(
            self.config["data"], stage.data, self.module.spec.temporal, count
        )

    def calibration_videos(self, stage: Stage, batches: int) -> Iterator[np.ndarray]:
        """The first training batches of the stage, whole clips, the same on every host."""
        plain = dataclasses.replace(stage, withholding=Withholding(kind="none"))
        data = self.training_data(plain)
        for _, batch in zip(range(batches), data.batches(0), strict=False):
            yield np.asarray(batch.video)
