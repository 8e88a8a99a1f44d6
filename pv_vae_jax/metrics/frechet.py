"""The Frechet distance of two sets of features, each taken for a Gaussian; of I3D's it is FVD.

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 || S1^(1/2) S2^(1/2) ||_*                         (1)
        = |m1 - m2|^2 + tr S1 + tr S2 - 2 || A1 A2^T ||_*,        A_i^T A_i = S_i           (2)

m are means [d], S unbiased covariances [d, d], || ||_* is the nuclear norm: the sum of singular
values.  It does not ask which root A of S is taken, so the centred features themselves will do, and
no S is made.  The textbooks' tr (S1 S2)^(1/2) is the same number, but S1 S2 is not symmetric, and
singular with fewer samples than dimensions: of 100 samples of 400 dimensions scipy.linalg.sqrtm
gives complex numbers and a self-distance of -2e-5 (here 0).  Implementations then drop imaginary
parts or add 1e-6 to diagonals; here there is no need.

The value is of finite samples: its mean exceeds the distance of the distributions by about c / n,
so values of different n are not compared (metrics/intervals.py extrapolates).  For two samples of
one Gaussian with S = s I, c = (d + 5) tr S / 2: two means off by tr S / n each, the rest from S.
References: Dowson and Landau, "The Frechet distance between multivariate normal distributions",
1982, for (1); Unterthiner et al., arXiv:1812.01717, for FVD.
"""

import math

import numpy as np


def of_features(x: np.ndarray, y: np.ndarray) -> float:
    """Equation (2), d^2 >= 0, with A = (centred features) / sqrt(n - 1): nothing is squared.

    Args:
      x: ``[n, d]``, n >= 2.
      y: ``[m, d]``, m >= 2, in any order: rows are not paired.

    Raises:
      ValueError: another rank, fewer than 2 rows, a row with NaN or infinity, or dimensions differ.
    """
    x, y = as_features(x, "first features"), as_features(y, "second features")
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"features of {x.shape[1]} and of {y.shape[1]} dimensions: both must be of one judge."
        )
    (mean_x, a), (mean_y, b) = _mean_and_root(x), _mean_and_root(y)
    step = mean_x - mean_y
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    value = step @ step + np.square(a).sum() + np.square(b).sum() - 2 * overlap
    return max(0.0, float(value))


def scarce(count: int, d: int) -> str:
    """A warning to print beside the value if there are fewer samples than dimensions, else ''."""
    if count >= d:
        return ""
    return (
        f"Only {count} samples for features of {d} dimensions: the covariance is singular and FVD "
        f"is biased upwards, so it compares only with FVD of the same {count} videos."
    )


def as_features(features: np.ndarray, name: str = "features") -> np.ndarray:
    """Features as float64 ``[n, d]``.

    Raises:
      ValueError: another rank, no row or column, or a row with NaN or infinity.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or not features.size:
        shape = list(features.shape)
        raise ValueError(f"{name} are [samples, dimensions], 1 or more of each; got {shape}.")
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{name} hold NaN or infinity in {bad.sum()} of {len(bad)} rows, the first is row "
            f"{bad.argmax()}: the judge overflowed, or its input was not finite."
        )
    return features


def _mean_and_root(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A has min(n, d) rows: the centred features, or R of their QR factors."""
    count, d = features.shape
    if count < 2:
        raise ValueError(f"a covariance is of 2 samples or more, got {count}.")
    mean = features.mean(axis=0)
    root = (features - mean) / math.sqrt(count - 1)
    return mean, np.linalg.qr(root, mode="r") if count > d else root
