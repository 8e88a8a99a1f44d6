"""Does a model reconstruct and predict clips that it never saw better than the obvious rules?

Per clip i, on 8-bit pixels (metrics/fidelity.py), model m against baseline b:

    reconstruction  PSNR_i [dB]  against the temporal mean frame, and a bicubic 1/8 thumbnail  (1)
                    LPIPS_i, mean over frames, against the thumbnail's, if it is asked for
    prediction      MSE_i of the withheld frames, in [-1, 1] units (8-bit MSE / 127.5^2),
                    against repeating the last observed frame                                  (2)
    difference      d_i = m_i - b_i,   mean(d) +- t(0.975, n - 1) sd(d) / sqrt(n)              (3)
    relative        r = mean(m) / mean(b) - 1,
                    r +- t(0.975, n - 1) sd(m - (1 + r) b) / sqrt(n) / mean(b)                 (4)

(3) is the paired 95% interval of the mean over n clips, (4) that of a ratio by its linearisation
(the baseline's mean is an estimate, too); neither is defined for one clip.  Clips
that are cut from one film are not independent, and the interval does not know.  Stills have no
mean frame to beat and nothing to predict: only the thumbnail's row is theirs.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import stats

from pv_vae_jax.core import json_files, pixels
from pv_vae_jax.evaluation import baselines
from pv_vae_jax.losses import perceptual
from pv_vae_jax.metrics import fidelity
from pv_vae_jax.models.video_vae import VideoVAE

PROTOCOL = "MSE of the withheld frames of a clip, of 8-bit pixels, in [-1, 1] units"


@dataclasses.dataclass(frozen=True)
class Paired:
    """Means of the model and of a baseline over the same clips, equations (3) and (4)."""

    model: float
    baseline: float
    difference: float
    low: float
    high: float
    relative: float
    relative_low: float
    relative_high: float

    @classmethod
    def of(cls, model: np.ndarray, baseline: np.ndarray) -> "Paired":
        """Of two ``[n]``; intervals are NaN for one clip, (4) is NaN if the baseline is 0."""
        means = float(model.mean()), float(baseline.mean())
        scale = means[1] or math.nan
        ratio = means[0] / scale
        absolute = _around(float((model - baseline).mean()), model - baseline)
        return cls(*means, *absolute, *_around(ratio - 1, (model - ratio * baseline) / scale))


def _around(value: float, each: np.ndarray) -> tuple[float, float, float]:
    """A value with its 95% t interval by the scatter of ``[n]``, NaN for one."""
    half = math.nan
    if each.size > 1:
        deviation = float(each.std(ddof=1)) / math.sqrt(each.size)
        half = float(stats.t.ppf(0.975, each.size - 1)) * deviation
    return value, value - half, value + half


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The figures of :func:`evaluate`.

    Attributes:
      source: where the clips come from.
      clips: how many.
      frames: frames of a clip, T.
      observed: how many of them the prediction saw; None if nothing was predicted.
      size: (height, width).
      mean_frame: reconstruction PSNR against the temporal mean frame, equation (1); None for
        stills.
      thumbnail: reconstruction PSNR against the thumbnail, equation (1).
      prediction: error of the withheld frames against repeating the last frame, equation (2), or
        None.
      lpips: of the reconstruction against the thumbnail's, or None.
    """

    source: str
    clips: int
    frames: int
    observed: int | None
    size: tuple[int, int]
    mean_frame: Paired | None
    thumbnail: Paired
    prediction: Paired | None
    lpips: Paired | None = None

    def as_dict(self) -> dict[str, Any]:
        """All figures with their protocol, as strict JSON (what is not finite becomes None)."""
        figures = {
            "protocol": f"{fidelity.PROTOCOL}; prediction: {PROTOCOL}; paired 95% t interval",
            **dataclasses.asdict(self),
        }
        return json_files.finite(figures)

    def text(self) -> str:
        """A table for a reader."""
        height, width = self.size
        thumbnail = f"bicubic 1/{baselines.THUMBNAIL} thumbnail"
        rows = [
            ("reconstruction PSNR, dB", "temporal mean frame", self.mean_frame, ".2f"),
            ("reconstruction PSNR, dB", thumbnail, self.thumbnail, ".2f"),
            ("reconstruction LPIPS", thumbnail, self.lpips, ".4f"),
            ("prediction MSE, [-1, 1]", "last frame repeated", self.prediction, ".5f"),
        ]
        sees = f"sees {self.observed} frames" if self.prediction else "skipped: nothing is withheld"
        clips = f"{self.clips} clip{'s' * (self.clips > 1)}"
        frames = f"{self.frames} frame{'s' * (self.frames > 1)}"
        lines = [
            f"{clips} of {frames}, {height}x{width}, from {self.source}; prediction {sees}",
            f"{'':24}{'model':>9}  {'baseline':<22}{'':>9}{'difference':>12}  paired 95%",
        ]
        for name, baseline, pair, form in rows:
            if pair is None:
                continue
            lines.append(
                f"{name:24}{pair.model:>9{form}}  {baseline:<22}{pair.baseline:>9{form}}"
                f"{pair.difference:>+12{form}}  {_told(pair.low, pair.high, form)}"
            )
        if self.prediction and math.isfinite(self.prediction.relative):
            pair = self.prediction
            lines.append(
                f"the error of predicted frames is {100 * pair.relative:+.1f}% against repeating "
                "the last frame, paired 95% "
                f"{_told(100 * pair.relative_low, 100 * pair.relative_high, '.1f')}"
            )
        return "\n".join(lines)


def evaluate(
    vae: VideoVAE,
    clips: Iterable[np.ndarray],
    observe: int | None,
    source: str = "unnamed clips",
    lpips: perceptual.LPIPS | None = None,
) -> HeldOut:
    """Equations (1) to (3) over clips.

    Args:
      vae: the model.
      clips: batches uint8 ``[B, T, H, W, 3]``, all of one T, H and W.
      observe: how many frames the prediction sees, 1 + p n and less than T; None to predict
        nothing (stills).
      source: where the clips come from, for the report.
      lpips: the judge, if it is wanted.

    Returns:
      The figures.

    Raises:
      ValueError: no clip, clips of several shapes, or ``observe`` of another form.
    """
    count, shape, columns = 0, None, {}
    for batch in clips:
        batch = np.asarray(batch)
        shape = shape or batch.shape[1:]
        if batch.shape[1:] != shape:
            raise ValueError(f"held-out clips have one shape, got {shape} and {batch.shape[1:]}.")
        for name, values in _figures(vae, batch, observe, lpips).items():
            columns.setdefault(name, []).append(values)
        count += len(batch)
    if not count:
        raise ValueError(f"there is no held-out clip in {source}: name a source that has some.")
    figure = {name: np.concatenate(values) for name, values in columns.items()}

    def paired(model: str, baseline: str) -> Paired | None:
        return Paired.of(figure[model], figure[baseline]) if baseline in figure else None

    return HeldOut(
        source=source,
        clips=count,
        frames=shape[0],
        observed=observe,
        size=shape[1:3],
        mean_frame=paired("psnr", "mean_frame"),
        thumbnail=paired("psnr", "thumbnail"),
        prediction=paired("prediction", "repeat"),
        lpips=paired("lpips", "thumbnail_lpips"),
    )


def _figures(
    vae: VideoVAE, video: np.ndarray, observe: int | None, lpips: perceptual.LPIPS | None
) -> dict[str, np.ndarray]:
    """Every figure of each clip, ``[B]``."""
    reconstruction = pixels.eight_bits(vae.decode(vae.encode(video)))
    thumbnail = baselines.thumbnail(video)
    figures = {
        "psnr": fidelity.psnr(video, reconstruction),
        "thumbnail": fidelity.psnr(video, thumbnail),
    }
    if lpips is not None:
        figures["lpips"] = perceptual.of_clips(lpips, video, reconstruction)
        figures["thumbnail_lpips"] = perceptual.of_clips(lpips, video, thumbnail)
    if video.shape[1] > 1:
        figures["mean_frame"] = fidelity.psnr(video, baselines.mean_frame(video))
    if observe is not None:
        figures |= _prediction_figures(vae, video, observe)
    return figures


def _prediction_figures(vae: VideoVAE, video: np.ndarray, observe: int) -> dict[str, np.ndarray]:
    if not 1 <= observe < video.shape[1]:
        raise ValueError(
            f"prediction sees at least 1 frame and withholds at least 1: observe {observe} of "
            f"{video.shape[1]} frames is neither."
        )
    predicted = pixels.eight_bits(vae.predict(video[:, :observe], video.shape[1]))
    withheld = video[:, observe:]
    repeated = baselines.repeated(video[:, :observe], withheld.shape[1])
    return {
        "prediction": prediction_error(withheld, predicted[:, observe:]),
        "repeat": prediction_error(withheld, repeated),
    }


def prediction_error(withheld: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Equation (2): ``[B]`` of the withheld frames alone, uint8 ``[B, T - observed, H, W, 3]``."""
    return fidelity.mean_squared_error(withheld, predicted) / 127.5**2


def _told(low: float, high: float, form: str) -> str:
    return f"[{low:+{form}}, {high:+{form}}]" if math.isfinite(low) else "(one clip: none)"
