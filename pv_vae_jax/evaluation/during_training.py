"""What the training loop calls at intervals: held-out figures, a strip and a film.

For every source of the run: reconstruction PSNR, prediction error and that of the last frame
repeated (evaluation/held_out.py) on fixed held-out clips; pictures of the first of them.
"""

import pathlib

import numpy as np

from pv_vae_jax.core import pixels
from pv_vae_jax.evaluation import held_out, pictures
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.training.run import Run
from pv_vae_jax.training.stages import Stage

PICTURE_RATE = 6.0  # frames per second of the films


class Evaluate:
    """An evaluator for training/loop.py; clips are read once, when they are first needed."""

    def __init__(self, run: Run):
        self._run = run
        self._clips: dict[str, dict[str, np.ndarray]] = {}

    def clips(self, stage: Stage) -> dict[str, np.ndarray]:
        """Held-out clips of a stage by source, uint8 ``[n, T, H, W, 3]``."""
        if stage.name not in self._clips:
            count = self._run.config["runtime"]["evaluate_clips"]
            self._clips[stage.name] = self._run.held_out(stage, count)
        return self._clips[stage.name]

    def figures(self, vae: VideoVAE, stage: Stage) -> dict[str, held_out.HeldOut]:
        """The figures of each source, by its name."""
        observe = self._run.config["runtime"]["observe"]
        batch = 8
        return {
            source: held_out.evaluate(
                vae, np.array_split(clips, -(-len(clips) // batch)), observe, f"held-out {source}"
            )
            for source, clips in self.clips(stage).items()
        }

    def pictures(self, vae: VideoVAE, stage: Stage, folder: pathlib.Path, clips: int = 1) -> None:
        """A strip and a film of the first clips of each source: original | reconstruction | prediction."""
        folder.mkdir(parents=True, exist_ok=True)
        observe = self._run.config["runtime"]["observe"]
        for source, videos in self.clips(stage).items():
            for number, video in enumerate(videos[:clips]):
                rows = {
                    "original": video,
                    "reconstruction": _eight_bits(vae.decode(vae.encode(video[None]))),
                    "prediction": _eight_bits(vae.predict(video[None, :observe], len(video))),
                }
                withheld = {"prediction": observe}
                pictures.strip(folder / f"{source}-{number}.png", rows, withheld)
                pictures.film(folder / f"{source}-{number}.mp4", rows, PICTURE_RATE, withheld)

    def __call__(self, vae: VideoVAE, stage: Stage, folder: pathlib.Path) -> dict[str, float]:
        """Writes pictures into ``folder`` and returns the values to record; {} for stills."""
        if stage.data.frames <= self._run.config["runtime"]["observe"]:
            return {}
        self.pictures(vae, stage, folder)
        values = {}
        for source, figures in self.figures(vae, stage).items():
            relative, *_ = figures.prediction.relative()
            values |= {
                f"held_out/{source}/psnr": figures.mean_frame.model,
                f"held_out/{source}/prediction_mse": figures.prediction.model,
                f"held_out/{source}/repeat_mse": figures.prediction.baseline,
                f"held_out/{source}/prediction_relative": relative,
            }
        return values


def _eight_bits(video) -> np.ndarray:
    return np.asarray(pixels.to_uint8(video))[0]
