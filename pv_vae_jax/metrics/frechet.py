"""The Frechet distance of two sets of features, each taken for a Gaussian; of I3D's it is FVD.

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 || S1^(1/2) S2^(1/2) ||_*                         (1)
        = |m1 - m2|^2 + tr S1 + tr S2 - 2 || A1 A2^T ||_*,        A_i^T A_i = S_i           (2)
    n = n1 + n2,   m = m1 + (n2 / n)(m2 - m1),
    M = M1 + M2 + (n1 n2 / n)(m2 - m1)(m2 - m1)^T                                           (3)

m are means [d], M scatters (sums of centred outer products), S = M / (n - 1) covariances [d, d],
|| ||_* is the nuclear norm: the sum of singular values.  It does not ask which root A of S is
taken, so the centred features themselves will do (:func:`of_features`), or an eigenbasis
(:func:`distance`).  The textbooks' tr (S1 S2)^(1/2) is the same number, but S1 S2 is not symmetric,
and singular with fewer samples than dimensions: of 100 samples of 400 dimensions scipy.linalg.sqrtm
gives complex numbers and a self-distance of -2e-5 (here 0).  Implementations then drop imaginary
parts or add 1e-6 to diagonals; here there is no need.

The value is of finite samples: its mean exceeds the distance of the distributions by about c / n,
so values of different n are not compared (metrics/intervals.py extrapolates).  For two samples of
one Gaussian with S = s I, c = (d + 5) tr S / 2: two means off by tr S / n each, the rest from S.
References: Dowson and Landau, "The Frechet distance between multivariate normal distributions",
1982, for (1); Unterthiner et al., arXiv:1812.01717, for FVD; Chan, Golub and LeVeque, "Updating
formulae and a pairwise algorithm for computing sample variances", 1979, for (3).
"""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and scatter of features: all that (1) needs, and they add up over shards.

    Attributes:
      count: n.
      mean: float64 ``[d]``.
      scatter: float64 ``[d, d]``, the sum of centred outer products.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Moments of features ``[n, d]``, n >= 1, of any real type.

        Raises:
          ValueError: another rank, no row, or a row with NaN or infinity.
        """
        features = as_features(features)
        mean = features.mean(axis=0)
        centred = features - mean
        return cls(len(features), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> "Moments":
        """Equation (3): the moments of both sets together, exact up to rounding; also ``a + b``.

        Raises:
          ValueError: the dimensions differ.
        """
        _same_dimension(self.mean.size, other.mean.size)
        count = self.count + other.count
        step = other.mean - self.mean
        return Moments(
            count,
            self.mean + step * (other.count / count),
            self.scatter
            + other.scatter
            + np.outer(step, step) * (self.count / count * other.count),
        )

    __add__ = merge

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased covariance, float64 ``[d, d]``.

        Raises:
          ValueError: fewer than 2 samples.
        """
        _enough(self.count)
        return self.scatter / (self.count - 1)


def distance(a: Moments, b: Moments) -> float:
    """Equation (2), d^2 >= 0 in squared units of the features, by an eigenbasis of each S.

    Eigenvalues below d times the rounding of the greatest are 0: they cannot be told from 0.

    Raises:
      ValueError: the dimensions differ, or a set has fewer than 2 samples.
    """
    _same_dimension(a.mean.size, b.mean.size)
    return _distance(a.mean, _eigenroot(a.covariance), b.mean, _eigenroot(b.covariance))


def of_features(x: np.ndarray, y: np.ndarray) -> float:
    """Equation (2), d^2 >= 0, with A = (centred features) / sqrt(n - 1): nothing is squared.

    Args:
      x: ``[n, d]``, n >= 2.
      y: ``[m, d]``, m >= 2, in any order: rows are not paired.

    Returns:
      What :func:`distance` gives of their moments, more exactly and, with n < d, faster.

    Raises:
      ValueError: as :meth:`Moments.of` and :func:`distance`.
    """
    x, y = as_features(x, "first features"), as_features(y, "second features")
    _same_dimension(x.shape[1], y.shape[1])
    return _distance(*_mean_and_root(x), *_mean_and_root(y))


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


def _distance(mean_a: np.ndarray, a: np.ndarray, mean_b: np.ndarray, b: np.ndarray) -> float:
    """Equation (2), of means and roots A ``[any, d]``."""
    step = mean_a - mean_b
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    value = step @ step + np.square(a).sum() + np.square(b).sum() - 2 * overlap
    return max(0.0, float(value))


def _eigenroot(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    least = values[-1] * len(values) * np.finfo(np.float64).eps
    return np.sqrt(np.where(values > least, values, 0.0))[:, None] * vectors.T


def _mean_and_root(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A has min(n, d) rows: the centred features, or R of their QR factors."""
    count, d = features.shape
    _enough(count)
    mean = features.mean(axis=0)
    root = (features - mean) / math.sqrt(count - 1)
    return mean, np.linalg.qr(root, mode="r") if count > d else root


def _enough(count: int) -> None:
    if count < 2:
        raise ValueError(f"a covariance is of 2 samples or more, got {count}.")


def _same_dimension(a: int, b: int) -> None:
    if a != b:
        raise ValueError(f"features of {a} and of {b} dimensions: both must be of one judge.")
