"""Does a model reconstruct and predict clips that it never saw better than the obvious rules?

Per clip i, on 8-bit pixels (metrics/fidelity.py), model m against baseline b:

    reconstruction  PSNR_i [dB]  against the temporal mean frame, and a bicubic 1/8 thumbnail  (1)
    prediction      MSE_i of the withheld frames, in [-1, 1] units (8-bit MSE / 127.5^2),
                    against repeating the last observed frame                                  (2)
    difference      d_i = m_i - b_i,   mean(d) +- t(0.975, n - 1) sd(d) / sqrt(n)              (3)
    relative        (mean(m) - mean(b)) / mean(b), its interval (3) / mean(b)                  (4)

(3) is the paired 95% interval of the mean over n clips; it is not defined for one clip.  Clips
that are cut from one film are not independent, and the interval does not know.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import stats

from pv_vae_jax.core import pixels
from pv_vae_jax.evaluation import baselines
from pv_vae_jax.metrics import fidelity
from pv_vae_jax.models.video_vae import VideoVAE

PROTOCOL = "MSE of the withheld frames of a clip, of 8-bit pixels, in [-1, 1] units"


@dataclasses.dataclass(frozen=True)
class Paired:
    """Means of the model and of a baseline over the same clips, and equation (3)."""

    model: float
    baseline: float
    difference: float
    low: float
    high: float

    @classmethod
    def of(cls, model: np.ndarray, baseline: np.ndarray) -> "Paired":
        """Equation (3) of two ``[n]``; the interval is NaN for one clip."""
        difference = model - baseline
        mean, half = float(difference.mean()), math.nan
        if difference.size > 1:
            deviation = float(difference.std(ddof=1)) / math.sqrt(difference.size)
            half = float(stats.t.ppf(0.975, difference.size - 1)) * deviation
        return cls(float(model.mean()), float(baseline.mean()), mean, mean - half, mean + half)

    def relative(self) -> tuple[float, float, float]:
        """Equation (4): the relative difference and its interval; NaN if the baseline is 0."""
        scale = self.baseline or math.nan
        return self.difference / scale, self.low / scale, self.high / scale


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The figures of :func:`evaluate`.

    Attributes:
      source: where the clips come from.
      clips: how many.
      frames: frames of a clip, T.
      observed: how many of them the prediction saw.
      size: (height, width).
      mean_frame: reconstruction PSNR against the temporal mean frame, equation (1).
      thumbnail: reconstruction PSNR against the thumbnail, equation (1).
      prediction: error of the withheld frames against repeating the last frame, equation (2).
    """

    source: str
    clips: int
    frames: int
    observed: int
    size: tuple[int, int]
    mean_frame: Paired
    thumbnail: Paired
    prediction: Paired

    def as_dict(self) -> dict[str, Any]:
        """All figures with their protocol, as strict JSON (what is not finite becomes None)."""
        relative = dict(zip(("difference", "low", "high"), self.prediction.relative(), strict=True))
        figures = {
            "protocol": f"{fidelity.PROTOCOL}; prediction: {PROTOCOL}; paired 95% t interval",
            **dataclasses.asdict(self),
            "prediction_relative": relative,
        }
        return _finite(figures)

    def text(self) -> str:
        """A table for a reader."""
        height, width = self.size
        relative, low, high = (100 * value for value in self.prediction.relative())
        thumbnail = f"bicubic 1/{baselines.THUMBNAIL} thumbnail"
        rows = [
            ("reconstruction PSNR, dB", "temporal mean frame", self.mean_frame, ".2f"),
            ("reconstruction PSNR, dB", thumbnail, self.thumbnail, ".2f"),
            ("prediction MSE, [-1, 1]", "last frame repeated", self.prediction, ".5f"),
        ]
        lines = [
            f"{self.clips} clip{'s' * (self.clips > 1)} of {self.frames} frames, "
            f"{height}x{width}, from {self.source}; prediction sees {self.observed} frames",
            f"{'':24}{'model':>9}  {'baseline':<22}{'':>9}{'difference':>12}  paired 95%",
        ]
        for name, baseline, pair, form in rows:
            lines.append(
                f"{name:24}{pair.model:>9{form}}  {baseline:<22}{pair.baseline:>9{form}}"
                f"{pair.difference:>+12{form}}  {_interval(pair.low, pair.high, form)}"
            )
        lines.append(
            f"the error of predicted frames is {relative:+.1f}% against repeating the last frame, "
            f"paired 95% {_interval(low, high, '.1f')}"
        )
        return "\n".join(lines)


def evaluate(
    vae: VideoVAE, clips: Iterable[np.ndarray], observe: int, source: str = "unnamed clips"
) -> HeldOut:
    """Equations (1) to (3) over clips.

    Args:
      vae: the model.
      clips: batches uint8 ``[B, T, H, W, 3]``, all of one T, H and W.
      observe: how many frames the prediction sees, 1 + p n and less than T.
      source: where the clips come from, for the report.

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
        for name, values in _figures(vae, batch, observe).items():
            columns.setdefault(name, []).append(values)
        count += len(batch)
    if not count:
        raise ValueError(f"there is no held-out clip in {source}: name a source that has some.")
    figure = {name: np.concatenate(values) for name, values in columns.items()}
    return HeldOut(
        source=source,
        clips=count,
        frames=shape[0],
        observed=observe,
        size=shape[1:3],
        mean_frame=Paired.of(figure["psnr"], figure["mean_frame"]),
        thumbnail=Paired.of(figure["psnr"], figure["thumbnail"]),
        prediction=Paired.of(figure["prediction"], figure["repeat"]),
    )


def _figures(vae: VideoVAE, video: np.ndarray, observe: int) -> dict[str, np.ndarray]:
    """Every figure of each clip, ``[B]``."""
    if not 1 <= observe < video.shape[1]:
        raise ValueError(
            f"prediction sees at least 1 frame and withholds at least 1: observe {observe} of "
            f"{video.shape[1]} frames is neither."
        )
    reconstruction = _eight_bits(vae.decode(vae.encode(video)))
    predicted = _eight_bits(vae.predict(video[:, :observe], video.shape[1]))
    withheld = video[:, observe:]
    repeated = baselines.repeated(video[:, :observe], withheld.shape[1])
    return {
        "psnr": fidelity.psnr(video, reconstruction),
        "mean_frame": fidelity.psnr(video, baselines.mean_frame(video)),
        "thumbnail": fidelity.psnr(video, baselines.thumbnail(video)),
        "prediction": prediction_error(withheld, predicted[:, observe:]),
        "repeat": prediction_error(withheld, repeated),
    }


def prediction_error(withheld: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Equation (2): ``[B]`` of the withheld frames alone, uint8 ``[B, T - observed, H, W, 3]``."""
    return fidelity.mean_squared_error(withheld, predicted) / 127.5**2


def _eight_bits(video: Any) -> np.ndarray:
    return np.asarray(pixels.to_uint8(video))


def _interval(low: float, high: float, form: str) -> str:
    return f"[{low:+{form}}, {high:+{form}}]" if math.isfinite(low) else "(one clip: none)"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
