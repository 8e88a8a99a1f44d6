"""The kernel distance of two sets of features; of I3D's 400 logits it is KVD.

    k(x, y) = (x.y / d + 1)^3                                                               (1)
    MMD^2   = sum_{i != j} k(x_i, x_j) / n(n-1) + sum_{i != j} k(y_i, y_j) / m(m-1)
              - 2 sum_{i j} k(x_i, y_j) / nm                                                (2)

(2) is unbiased: its mean is the distance of the distributions for any n and m, so values of equal
distributions scatter around 0 and are negative half of the time.  It is taken of all samples at
once, without subsets.

The scale is that of (2) as it stands, MMD squared, times 1.  A paper's KVD is seldom that plain:
- TATS (songweige/TATS, tats/fvd/fvd.py), whose ``polynomial_mmd`` many video papers copied, is (2)
  exactly: scikit-learn's polynomial kernel (degree 3, gamma 1/d, coef0 1), all samples, times 1;
- KID's implementations (torch-fidelity, torchmetrics, StyleGAN's ``kid50k``), and KVD made from
  them (modelscope/data-juicer, ``kvd2048_16f``), average (2) over 100 random subsets of at most
  1,000: the same expectation, more noise; KID of images is often printed times 100 or 1,000;
- TensorFlow-GAN averages (2) over blocks of at most 1,024 samples: likewise;
- the paper of PV-VAE prints 14.52 for UCF101 and gives neither scale nor subsets.
References: Gretton et al., "A kernel two-sample test", JMLR 13, 2012, for (2); Binkowski et al.,
"Demystifying MMD GANs", ICLR 2018, for (1); Unterthiner et al., arXiv:1812.01717, for KVD.
"""

import numpy as np

from pv_vae_jax.metrics import frechet

ROWS = 256


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """Equation (2), MMD squared, times 1.

    Memory beside the features is a few times ``ROWS`` rows of one kernel matrix: 4 MiB each for
    2,048 samples.

    Args:
      x: ``[n, d]``, n >= 2, of any real type; computed in float64.
      y: ``[m, d]``, m >= 2; rows are not paired.

    Returns:
      The unbiased estimate, which may be negative.

    Raises:
      ValueError: another rank, NaN or infinity, fewer than 2 samples, or dimensions that differ.
    """
    x, y = frechet.as_features(x, "first features"), frechet.as_features(y, "second features")
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"features of {x.shape[1]} and of {y.shape[1]} dimensions: both must be of one judge."
        )
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise ValueError(f"the kernel distance is of 2 samples or more of each, got {n} and {m}.")
    return _within(x) + _within(y) - 2 * _sum(x, y) / (n * m)


def _within(x: np.ndarray) -> float:
    """The mean of k over all pairs i != j."""
    own = _kernel_sum(np.square(x).sum(axis=1), x.shape[1])
    return (_sum(x, x) - own) / (len(x) * (len(x) - 1))


def _sum(x: np.ndarray, y: np.ndarray) -> float:
    """The sum of k over all pairs."""
    starts = range(0, len(x), ROWS)
    return sum(_kernel_sum(x[i : i + ROWS] @ y.T, x.shape[1]) for i in starts)


def _kernel_sum(products: np.ndarray, d: int) -> float:
    """The sum of equation (1) over inner products."""
    base = products / d + 1
    return float(np.vdot(base * base, base))
