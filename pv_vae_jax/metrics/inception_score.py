"""The Inception Score: are samples each of one class, and all classes among them?

    IS = exp( mean_i KL( p(y | x_i) || p(y) ) ),     p(y) = mean_i p(y | x_i)               (1)

It is at least 1 (all samples alike) and at most the number of classes.  p(y | x_i) is the softmax
of a classifier's logits; everything stays in logarithms, in float64, so that logits of any size
are exact and no epsilon is added.

Classifier and sample size are part of the score.  It is lower for fewer samples (p(y) of a few is
nearer to each of them), so a mean over 10 splits of n is not the score of n: with 2,048 samples a
split has 204 for UCF101's 101 classes.  Which one a figure is must be said:
- StyleGAN-V (``isv2048_ucf``) and what follows it: C3D fine-tuned on UCF101, 2,048 samples of 16
  frames, shuffled by NumPy's ``RandomState(42)``, then 10 splits, their mean and deviation;
- TGAN and TGANv2 (``calc_inception``): C3D as above, all samples at once, 1e-7 inside logarithms;
- the paper of PV-VAE says neither; ours is all at once.
References: Salimans et al., "Improved techniques for training GANs", NeurIPS 2016; Saito et al.,
"Temporal generative adversarial nets", ICCV 2017, for videos.
"""

import math

import numpy as np
from scipy import special

from pv_vae_jax.metrics import frechet


def score(logits: np.ndarray, splits: int = 1) -> tuple[float, float]:
    """Equation (1).

    Args:
      logits: ``[n, classes]``, before the softmax, of any real type.
      splits: consecutive parts of about n / splits rows, each scored by itself.  Shuffle rows
        that lie in an order, such as by class.

    Returns:
      (mean over splits, their standard deviation with divisor ``splits``: 0 for 1 split).

    Raises:
      ValueError: another rank, NaN or infinity, or splits that are not 1 to n.
    """
    logs = special.log_softmax(frechet.as_features(logits, "logits"), axis=1)
    n = len(logs)
    if not 1 <= splits <= n:
        raise ValueError(f"{n} samples make 1 to {n} splits, got {splits}.")
    edges = [part * n // splits for part in range(splits + 1)]
    scores = [_score(logs[low:high]) for low, high in zip(edges, edges[1:], strict=False)]
    return float(np.mean(scores)), float(np.std(scores))


def _score(logs: np.ndarray) -> float:
    """Equation (1) of logarithms of p(y | x_i)."""
    marginal = special.logsumexp(logs, axis=0, keepdims=True) - math.log(len(logs))
    divergences = np.sum(np.exp(logs) * (logs - marginal), axis=1)
    return math.exp(divergences.mean())
