"""A run that trains a generator: its config as objects, and what the loop asks (run.py).

    latents of a batch    cached (``data.latents``, launch.prepare_data latents), or computed by the
                          frozen encoder of the tokenizer from ``data.videos`` and the like

The one place that reads the keys of ``configs/generator_base.py``.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pv_vae_jax.checkpoint import generator_export
from pv_vae_jax.core import rng, trees
from pv_vae_jax.data import latents as cached
from pv_vae_jax.data.buckets import Bucket
from pv_vae_jax.models import identity, latte_sizes
from pv_vae_jax.models.generator import Generator, LatentForm
from pv_vae_jax.models.latte import Latte
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import (
    batch_shapes,
    diffusion_step,
    generator_latents,
    profiling,
    video_data,
)
from pv_vae_jax.training.generator_stages import GeneratorStage, stages_of
from pv_vae_jax.training.placement import Placement
from pv_vae_jax.training.run import Data, Run
from pv_vae_jax.withholding import Withholding


@dataclasses.dataclass(frozen=True)
class GeneratorRun(Run):
    """Built by :meth:`of`; ``config`` is the resolved config as plain dicts.

    ``loaded`` is the tokenizer, where the latents were known from it.
    """

    config: dict[str, Any]
    module: Latte
    stages: tuple[GeneratorStage, ...]
    latents: LatentForm
    loaded: VideoVAE | None = dataclasses.field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, config: dict[str, Any], latents: LatentForm | None = None) -> "GeneratorRun":
        """The run of a config.

        Args:
          config: resolved, as plain dicts.
          latents: of a run that has begun; by default those that the config names.

        Raises:
          ValueError: a value cannot be; the message begins with its key.
        """
        stages = stages_of(config)
        profiling.steps(config["profile"])
        loaded = None
        if latents is None:
            latents, loaded = generator_latents.of(config, stages)
        network = config["generator"]
        channels = network["fields"]["channels"] or latents.shape[-1]
        try:
            module = latte_sizes.build(
                network["name"], **(network["fields"] | {"channels": channels})
            )
            if channels != latents.shape[-1]:
                raise ValueError(
                    f"fields.channels is {channels}, but latents of {latents.identity['spec']} "
                    f"have {latents.shape[-1]}: set 0, for theirs."
                )
            if latents.classes and module.classes not in (0, len(latents.classes)):
                raise ValueError(
                    f"fields.classes is {module.classes}, but the latents have "
                    f"{len(latents.classes)} classes: set that, or 0 for an unconditional one."
                )
            rows = latents.shape[1:3]
            if any(side % module.patch for side in rows):
                raise ValueError(
                    f"latents of {rows[0]} x {rows[1]} do not divide into patches of "
                    f"{module.patch}."
                )
        except ValueError as error:
            raise ValueError(f"config.generator: {error}") from error
        return cls(config, module, stages, latents, loaded)

    @property
    def name(self) -> str:
        """The network, and whose latents it learns."""
        known = self.latents.identity
        return f"{self.config['generator']['name']} on {known['name']} {known['spec']}"

    @functools.cached_property
    def tokenizer(self) -> VideoVAE | None:
        """The video VAE, None if the config names none.

        Raises:
          ValueError: the latents are not its own; the message says in what they differ.
        """
        if not self.config["tokenizer"]["model"]:
            return None
        if self.loaded is not None:  # the latents are its own
            return self.loaded
        vae = generator_latents.tokenizer_of(self.config)
        what = self.config["data"]["latents"] or "the latents of this run"
        identity.check(identity.identity(vae), self.latents.identity, what)
        return vae

    def initial_params(self) -> trees.Tree:
        """Fresh parameters, a function of the seed."""
        initial = functools.partial(latte_sizes.initial, self.module)
        return jax.jit(initial)(rng.stream_key(self.seed, "init"))

    def initial_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of the tokenizer."""
        known = self.latents.identity
        return np.asarray(known["mean"], np.float32), np.asarray(known["std"], np.float32)

    def training_data(self, stage: GeneratorStage) -> Data:
        """The batches of a stage, of cached latents or of clips, their labels checked.

        Crops of clips are the largest, as those of launch.prepare_data latents.

        Raises:
          ValueError: a generator of classes and data without labels, or of other classes; a
            tokenizer that is not trained.
        """
        seed = rng.fold(self.seed, f"data/{stage.name}")
        if self.latents.dtype:
            batch, where = stage.data.buckets[0][2], self.config["data"]["latents"]
            data = cached.LatentData(cached.Latents(where, "train"), batch, seed)
            remedy = f"prepare {where} with --labels"
        else:
            generator_latents.check_trained(self.config)
            spec, whole = self.tokenizer.spec, (1.0, 1.0)
            data = video_data.training(
                self.config["data"], stage.data, spec.temporal, spec.spatial, Withholding("none"),
                seed, whole,
            )  # fmt: skip
            remedy = "set data.labels, or list the clips with labels (docs/data.md)"
        if self.module.classes:
            self._check_labels(data, remedy)
        return _Labelled(data, self.module.classes)

    def _check_labels(self, data: Data, remedy: str) -> None:
        given = f"config.generator.fields.classes is {self.module.classes}"
        if not data.labelled:
            raise ValueError(
                f"{given}, but the clips have no labels: {remedy}, or set 0 for an unconditional "
                "generator."
            )
        names = set(data.classes.values())
        if len(names) > 1:
            told = "; ".join(f"{kind}: {', '.join(n[:3])}" for kind, n in data.classes.items())
            raise ValueError(
                "config.data: labels of its sources have other names, so one number would mean "
                f"several classes ({told}, ...): give all of them as one list, or as numbers."
            )
        if names and (known := len(names.pop())) != self.module.classes:
            raise ValueError(f"{given}, but the clips have {known} classes: set that.")

    def constants(self, stage: GeneratorStage) -> trees.Tree | None:
        """Parameters of the tokenizer's encoder, None for cached latents."""
        if self.latents.dtype:
            return None
        return trees.partition(self.tokenizer.params, "^encoder/")[0]

    def program(self, stage: GeneratorStage, data: Data, step: int) -> Bucket:
        """The bucket: there is one."""
        return data.schedule.bucket(step)

    def update(self, placed: Placement, program: Bucket, constants: Any) -> tuple[Callable, tuple]:
        """The program of (state, batch, encoder), and its arguments as shapes with shardings."""
        function = diffusion_step.compiled(
            self.module,
            None if self.latents.dtype else self.tokenizer.module,
            placed.stage,
            self.seed,
            placed.shardings,
            meshes.over_data(placed.mesh),
        )
        if self.latents.dtype:
            form = self.latents.shape, self.latents.dtype
            batch = batch_shapes.latents(placed.mesh, program.batch, *form)
        else:
            video = program.batch, placed.stage.data.frames, program.height, program.width
            batch = batch_shapes.clips(placed.mesh, video, (self.latents.shape[0], 1, 1))
        return function, (placed.state, batch, constants)

    def model(self, params: trees.Tree, mean: np.ndarray, std: np.ndarray) -> Generator:
        """The generator of these parameters."""
        del mean, std  # they are in the identity
        fields = self.config["generator"]["fields"] | {"channels": self.module.channels}
        config = self.config["generator"] | {"fields": fields}
        return Generator(self.module, params, self.latents, config)

    def read_model(self, path: str) -> Generator:
        """Of an export."""
        return generator_export.load(path)

    def leaves_of(self, model: Generator, path: str) -> dict[str, Any]:
        """Its parameters by path; ValueError if it makes other latents."""
        identity.check(self.latents.identity, model.latents.identity, f"the latents of {path}")
        return trees.flatten(model.params)


class _Labelled:
    """Batches whose labels are checked; all else is that of ``data``."""

    def __init__(self, data: Data, classes: int):
        self._data, self._classes = data, classes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    def batches(self, *args: Any, **kwargs: Any):
        for batch in self._data.batches(*args, **kwargs):
            most = int(batch.label.max(initial=-1))
            if self._classes and most >= self._classes:
                raise ValueError(
                    f"a clip has the label {most}; config.generator.fields.classes is "
                    f"{self._classes}, so labels are 0 to {self._classes - 1}."
                )
            yield batch
