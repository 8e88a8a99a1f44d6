"""From rows to figures with intervals over source videos.

    reconstruction   psnr, ssim, lpips   mean over clips, jackknife
                     rfvd                Fréchet distance of originals and results, subsampling
    generation       fvd, kvd            of real videos and samples, subsampling
                     is                  of the classifier, or is_JUDGE of the judge

Equations in metrics/.  The interval of a distance is around its value for as many videos as there
are, not for infinitely many: FVD of N videos lies above that by about d tr S / 2N, in every paper.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pv_vae_jax.evaluation.rows import Row
from pv_vae_jax.metrics import frechet, inception_score, intervals, kernel
from pv_vae_jax.metrics.intervals import Interval

PROTOCOL = (
    "FVD and rFVD: Fréchet distance of the judge's logits, covariances over n - 1; KVD: unbiased "
    "MMD^2 of them, k(x, y) = (x.y/d + 1)^3, all samples, not scaled; IS: all samples at once"
)
MEANS = ("psnr", "ssim", "lpips")


def reconstruction(rows: Sequence[Row], seed: int) -> dict[str, Interval]:
    """The figures of a video VAE.

    Args:
      rows: with values and the features "original" and "result".
      seed: of the subsamples.

    Raises:
      ValueError: fewer than 3 source videos.
    """
    sources = [row.source for row in rows]
    found = {
        name: intervals.jackknife(np.mean, [np.array([row.values[name] for row in rows])], sources)
        for name in MEANS
    }
    pair = [np.stack([row.features[name] for row in rows]) for name in ("original", "result")]
    return found | {"rfvd": _subsampled(frechet.of_features, pair, sources, seed)}


def generation(
    real: Sequence[Row], samples: Sequence[Row], seed: int, judge: str
) -> dict[str, Interval]:
    """The figures of a generator.

    Args:
      real: rows with the feature "original".
      samples: as many, and with "classifier" where there is one.
      seed: of the subsamples.
      judge: name of the network behind "original".

    Raises:
      ValueError: fewer than 3 source videos.
    """
    pair = [np.stack([row.features["original"] for row in rows]) for rows in (real, samples)]
    sources = [row.source for row in real]
    found = {
        "fvd": _subsampled(frechet.of_features, pair, sources, seed),
        "kvd": _subsampled(kernel.distance, pair, sources, seed),
    }
    name = "is" if "classifier" in samples[0].features else f"is_{judge}"
    kind = "classifier" if name == "is" else "original"
    logits = [np.stack([row.features[kind] for row in samples])]
    own = [row.source for row in samples]
    return found | {name: _subsampled(_inception_score, logits, own, seed)}


def _inception_score(logits: np.ndarray) -> float:
    return inception_score.score(logits)[0]


def _subsampled(
    statistic: Callable[..., float], columns: list[np.ndarray], sources: list[str], seed: int
) -> Interval:
    return intervals.subsampling(statistic, columns, sources, seed, extrapolate=False)


def warnings(rows: Sequence[Row]) -> list[str]:
    """What a reader must know of the distances, in sentences."""
    dimensions = len(rows[0].features["original"])
    scarce = frechet.scarce(len(rows), dimensions)
    return [scarce] if scarce else []


def of_coding(told: str) -> list[str]:
    """The same of how samples are kept (videos.py)."""
    if told == "arrays" or any(form in told for form in ("rgb", "gbr", "bgr")):
        return []
    return [
        f"The samples are films ({told}), what they are compared with is not: the codec alone "
        "raises FVD and KVD, the more the smaller the frames. launch.generate --lossless keeps "
        "the very pixels."
    ]
