"""A run: what a config describes, as objects, and what the loop asks of it.

    video VAE     vae_run.py         config.model, stages of stages.py
    generator     generator_run.py   config.generator, stages of generator_stages.py

The loop, the placements, the programs and the checkpoints are the same for both.
"""

import abc
from collections.abc import Callable, Hashable, Iterator
from typing import Any, ClassVar, Protocol

import jax
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh

from pv_vae_jax.core import trees
from pv_vae_jax.data.buckets import Schedule
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import StageData


class Stage(Protocol):
    """What every stage has; ``name`` is also that of the folder of its checkpoints."""

    name: str
    steps: int
    data: StageData
    trainable: str
    optimizer: Optimizer
    init_from: str


class Data(Protocol):
    """The batches of a stage (data/pipeline.py, data/latents.py)."""

    schedule: Schedule
    refused: dict[str, str]
    replaced: dict[str, tuple[int, str]]
    classes: dict[str, tuple[str, ...]]

    @property
    def sha256(self) -> str:
        """Of what the clips are made from."""

    def batches(
        self, start_step: int = 0, host: int = 0, hosts: int = 1, workers: int = 0, threads: int = 2
    ) -> Iterator[Any]:
        """The batches of one host from ``start_step`` on, without end."""


class Run(abc.ABC):
    """Attributes: ``config``, resolved, as plain dicts; ``module``; ``stages`` in order.

    ``shown`` are the values of a progress bar.
    """

    config: dict[str, Any]
    module: nn.Module
    stages: tuple[Stage, ...]
    shown: ClassVar[tuple[str, ...]] = ("total",)

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn."""
        return self.config["seed"]

    @property
    def split(self) -> str:
        """How the clips of a batch are split over devices, "" if every device has whole ones."""
        return ""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What is trained."""

    @abc.abstractmethod
    def initial_params(self) -> trees.Tree:
        """Fresh parameters, a function of the seed."""

    @abc.abstractmethod
    def initial_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation ``[c]`` of the latents at the first step of a run."""

    def initial_discriminator(self, stage: Stage, before: Any = None) -> trees.Tree:
        """The discriminator's variables at the first step of a stage, {} without a GAN."""
        return {}

    def initial_adversary(self, stage: Stage, discriminator: trees.Tree) -> Any:
        """The discriminator's side of the state, {} without a GAN."""
        return {}

    def check_placement(self, stage: Stage, mesh: Mesh, params: trees.Tree | None = None) -> None:
        """Raises ValueError if a stage does not fit a mesh."""
        del stage, mesh, params  # any stage fits

    @abc.abstractmethod
    def training_data(self, stage: Stage) -> Data:
        """The batches of a stage; every stage draws its own."""

    def constants(self, stage: Stage) -> Any:
        """Arrays that an update reads and does not change, None for none."""
        return None

    @abc.abstractmethod
    def program(self, stage: Stage, data: Data, step: int) -> Hashable:
        """Which of a stage's programs makes an update: a function of (seed, step)."""

    @abc.abstractmethod
    def update(self, placed: Any, program: Hashable, constants: Any) -> tuple[Callable, tuple]:
        """A program of (state, batch, constants), and its arguments as shapes with shardings."""

    def finish(self, stage: Stage, mesh: Mesh, state: Any) -> Any:
        """The state after the last update of a stage."""
        return state

    @abc.abstractmethod
    def model(self, params: trees.Tree, mean: np.ndarray, std: np.ndarray) -> Any:
        """The model of these parameters and statistics."""

    @abc.abstractmethod
    def read_model(self, path: str) -> Any:
        """The model of a file; ValueError or FileNotFoundError if there is none."""

    def leaves_of(self, model: Any, path: str) -> dict[str, Any]:
        """Parameters by path of the model at ``path``, to start from; ValueError if none can."""
        return trees.flatten(model.params)

    def summary(self, params: trees.Tree | None = None) -> str:
        """What is trained, in a line; ``params``: their shapes, where they are known."""
        params = jax.eval_shape(self.initial_params) if params is None else params
        return f"{self.name}: {trees.count(params):,} parameters"
