"""What a generator's run shows of itself, at intervals and at its end: samples, FVD, KVD.

The samples are those of the run's seed, the same at every interval: a grid as picture and film.
``runtime.protocol`` names a protocol of generation (protocol.py): as many samples as it has videos
are drawn, decoded by the run's tokenizer and measured, in ``workdir/evaluation``.
"""

import dataclasses
import json
import pathlib
from typing import Any

import jax
import numpy as np

from pv_vae_jax.core import arrays, dims, fields, storage
from pv_vae_jax.evaluation import evaluate, protocol, result_files, sample_pictures, setting, videos
from pv_vae_jax.generation import drawing
from pv_vae_jax.generation.sampler import Sampling
from pv_vae_jax.models.generator import Generator
from pv_vae_jax.pretrained import i3d
from pv_vae_jax.training import generator_stages
from pv_vae_jax.training.generator_run import GeneratorRun
from pv_vae_jax.training.generator_stages import GeneratorStage

RATE = 8.0  # frames per second of the films
FIGURES = ("fvd", "kvd")


class Evaluate:
    """An evaluator for training/loop.py."""

    def __init__(self, run: GeneratorRun):
        """Opens and checks what the run names for it.

        Raises:
          ValueError: a value of ``sampling``, another tokenizer than that of the latents, no such
            protocol of generation, or one of other clips than the run's samples.
          OSError: the tokenizer, a data set of the protocol or its judge cannot be read.
        """
        self._run, self._runtime = run, run.config["runtime"]
        self._tokenizer = run.tokenizer
        try:
            self._sampling = Sampling(**run.config["sampling"])
            drawing.check(self._sampling, run.module.classes)
            generator_stages.check_guidance(run.config, self._sampling.guidance)
        except ValueError as error:
            raise ValueError(f"config.sampling: {error}") from error
        self._setup: setting.Setup | None = None
        self._protocol = None
        if name := self._runtime["protocol"]:
            if self._tokenizer is None:
                raise ValueError(
                    f"config.runtime.protocol = {name} judges videos, so that config.tokenizer "
                    "has to name what decodes them."
                )
            settings = [text for text in name.split("+")[1:] if text]
            used = protocol.named(name.split("+")[0]).changed(settings)
            self._protocol = dataclasses.replace(used, classifier="")  # FVD and KVD are read
            names, flag = self._protocol.datasets, "config.runtime.protocol_data"
            self._folders = fields.by_name(self._runtime["protocol_data"], names, flag)
            self._check()
            if jax.process_index() == 0:  # which measures
                videos.of_datasets(self._protocol, self._folders)
                i3d.load(None)

    def _check(self) -> None:
        used, spec = self._protocol, self._tokenizer.spec
        given = f"config.runtime.protocol = {self._runtime['protocol']}"
        if used.task != "generation":
            raise ValueError(
                f"{given} is of {used.task}: name one of generation, such as small-gen."
            )
        groups, rows, columns, _ = self._run.latents.shape
        frames = dims.frames_of(groups, spec.temporal)
        height, width = rows * spec.spatial, columns * spec.spatial
        if (used.height, used.width) != (height, width) or used.frames > frames:
            raise ValueError(
                f"{given} is of {used.frames} x {used.height} x {used.width}, the samples of this "
                f"run are {frames} x {height} x {width}: add "
                f"+frames={min(frames, used.frames)}+height={height}+width={width}."
            )

    def samples(self, generator: Generator, count: int) -> np.ndarray:
        """The first samples of the run's seed, classes in turn: uint8 ``[count, T, H, W, 3]``."""
        labels = drawing.labels_in_turn(generator.classes, count)
        drawn = drawing.Drawing(generator, self._run.seed, self._sampling)
        batches = drawn.latents(range(count), labels, self._runtime["batch"])
        decode = drawing.Decoder(self._tokenizer)
        return np.concatenate([decode(z) for z in batches])

    def __call__(
        self, generator: Generator, stage: GeneratorStage, folder: pathlib.Path
    ) -> dict[str, float]:
        """Writes the grid into ``folder`` and returns the values to record."""
        if self._tokenizer is None:
            return {}
        shown = self._runtime["samples"]
        count = max(shown, self._protocol.videos if self._protocol else 0)
        if not count:
            return {}
        made = self.samples(generator, count)
        if shown:
            sample_pictures.write(folder, made[:shown], RATE)
        if self._protocol is None:
            return {}
        result = self._measured(made[: self._protocol.videos], folder.parent.parent, folder.name)
        return {f"samples/{name}": result["figures"][name]["value"] for name in FIGURES}

    def _measured(self, made: np.ndarray, workdir: Any, label: str) -> dict[str, Any]:
        out = workdir / result_files.EVALUATION
        if self._setup is None:  # one host measures, while the others wait for its next update
            self._setup = setting.Setup(self._protocol, self._folders, out, shared=False, anew=True)
        path = out / f"{label}.npz"
        storage.make_folder(out)
        arrays.write(path, {videos.SAMPLES: made})
        how = dataclasses.asdict(self._sampling)
        result = evaluate.generation(self._setup, str(path), label, told={"sampling": how})
        path.unlink()  # gigabytes at each interval, and made again from a checkpoint
        return result

    def report(self, generator: Generator, stage: GeneratorStage, workdir: pathlib.Path) -> str:
        """Writes ``results.json`` and ``pictures/final`` of a finished run; a text for a person."""
        values = self(generator, stage, workdir / "pictures" / "final")
        storage.write(workdir / "results.json", json.dumps(values, indent=1))
        told = [f"{name} {value:.4g}" for name, value in values.items()]
        if self._tokenizer is None:
            told = ["no samples are shown: config.tokenizer names no video VAE that decodes them"]
        elif self._runtime["samples"]:
            told = [f"samples: {workdir / 'pictures' / 'final' / 'grid.png'}", *told]
        return ", ".join(told)
