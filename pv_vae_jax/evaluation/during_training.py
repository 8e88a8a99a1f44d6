"""What a run shows of itself, at intervals and at its end: held-out figures, a strip and a film.

For every source of the run: reconstruction PSNR, prediction error and that of the last frame
repeated (evaluation/held_out.py) on fixed held-out clips; pictures of the first of them.
Clips of no more than ``runtime.observe`` frames, stills among them, are reconstructed only.
"""

import json
import math
import pathlib

import numpy as np

from pv_vae_jax.core import dims, storage
from pv_vae_jax.evaluation import any_size, held_out, pictures
from pv_vae_jax.losses import perceptual
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.training import placement
from pv_vae_jax.training.stages import Stage
from pv_vae_jax.training.vae_run import VAERun

BATCH = 8  # clips at once, or as many as a device trains on if these are fewer
PICTURE_RATE = 6.0  # frames per second of the films


class Evaluate:
    """An evaluator for training/loop.py; clips are read once, when they are first needed."""

    def __init__(self, run: VAERun):
        """Checks that there are clips to look at, and what of them is seen; ValueError if not."""
        self._run = run
        for stage in run.stages:
            try:
                dims.groups_of(self.observe(stage) or 1, run.module.spec.temporal)
            except ValueError as error:
                raise ValueError(f"config.runtime.observe: {error}") from error
        run.check_held_out()
        judge = run.config["runtime"]["lpips"]
        self._lpips = perceptual.load(judge) if judge else None
        self._clips: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def observe(self, stage: Stage) -> int | None:
        """How many frames the prediction sees; None where none would be left to predict."""
        observe = self._run.config["runtime"]["observe"]
        return observe if stage.data.frames > observe else None

    def clips(self, stage: Stage, count: int) -> dict[str, np.ndarray]:
        """Held-out clips of a stage by source, uint8 ``[n, T, H, W, 3]``."""
        key = (stage.name, count)
        if key not in self._clips:
            self._clips[key] = self._run.held_out(stage, count)
        return self._clips[key]

    def figures(self, vae: VideoVAE, stage: Stage, count: int) -> dict[str, held_out.HeldOut]:
        """The figures of each source, by its name."""
        return {
            source: held_out.evaluate(
                vae,
                self._batches(clips, stage),
                self.observe(stage),
                f"held-out {source}",
                self._lpips,
            )
            for source, clips in self.clips(stage, count).items()
        }

    def _batches(self, clips: np.ndarray, stage: Stage) -> list[np.ndarray]:
        """Parts that one device can hold, since a device has as many clips in an update."""
        update = min(batch for _, _, batch, *_ in stage.data.buckets)
        size = min(BATCH, max(1, update // placement.mesh_of(self._run).shape["data"]))
        return [clips[first : first + size] for first in range(0, len(clips), size)]

    def pictures(self, vae: VideoVAE, stage: Stage, folder: pathlib.Path, clips: int = 1) -> None:
        """Of each source's first clips: original, reconstruction, prediction; a strip, a film."""
        storage.make_folder(folder)
        observe = self.observe(stage)
        count = self._run.config["runtime"]["evaluate_clips"]
        for source, videos in self.clips(stage, count).items():
            for number, video in enumerate(videos[:clips]):
                rows = {"original": video, "reconstruction": any_size.reconstruct(vae, video)}
                withheld = {}
                if observe is not None:
                    rows["prediction"] = any_size.predict(vae, video, observe)
                    withheld["prediction"] = observe
                pictures.strip(folder / f"{source}-{number}.png", rows, withheld)
                if stage.data.frames > 1:
                    film = folder / f"{source}-{number}.mp4"
                    pictures.film(film, rows, PICTURE_RATE, withheld)

    def __call__(self, vae: VideoVAE, stage: Stage, folder: pathlib.Path) -> dict[str, float]:
        """Writes pictures into ``folder`` and returns the values to record."""
        self.pictures(vae, stage, folder)
        values = {}
        count = self._run.config["runtime"]["evaluate_clips"]
        for source, figures in self.figures(vae, stage, count).items():
            values[f"held_out/{source}/psnr"] = figures.thumbnail.model
            if figures.lpips:
                values[f"held_out/{source}/lpips"] = figures.lpips.model
            if figures.prediction:
                values |= {
                    f"held_out/{source}/prediction_mse": figures.prediction.model,
                    f"held_out/{source}/repeat_mse": figures.prediction.baseline,
                }
                if math.isfinite(figures.prediction.relative):  # not of clips that stand still
                    values[f"held_out/{source}/prediction_relative"] = figures.prediction.relative
        return values

    def report(self, vae: VideoVAE, stage: Stage, workdir: pathlib.Path) -> str:
        """Writes ``results.json`` and ``pictures/final`` of a finished run; the figures as text."""
        self.pictures(vae, stage, workdir / "pictures" / "final", clips=3)
        figures = self.figures(vae, stage, self._run.config["runtime"]["final_clips"])
        results = {source: figure.as_dict() for source, figure in figures.items()}
        storage.write(workdir / "results.json", json.dumps(results, indent=1))
        return "\n\n".join(figure.text() for figure in figures.values())
