"""How near optical flow is to the true one.

    error(x)  = |found(x) - true(x)|                                end-point error, pixels    (1)
    EPE_b     = mean over all axes but the first of error                                      (2)
    outlier   = error > 3 pixels and error > 5% of |true|                                      (3)

One number per clip; a mean over clips is a mean of these.
(2) is that of Sintel (Butler et al., ECCV 2012), over all pixels, occluded ones too; (3) is KITTI's
"Fl" (Menze and Geiger, CVPR 2015).
"""

import numpy as np

PIXELS, SHARE = 3.0, 0.05


def error(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Equation (1) of flow ``[..., 2]`` in pixels: float64 ``[...]``.

    Raises:
      ValueError: unequal shapes, or not two components.
    """
    if found.shape != true.shape or true.shape[-1] != 2:
        raise ValueError(f"two flows have one shape [..., 2], got {found.shape} and {true.shape}.")
    difference = found.astype(np.float64) - true.astype(np.float64)
    return np.hypot(difference[..., 0], difference[..., 1])


def end_point_error(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Equation (2) of flow ``[B, ..., 2]``: float64 ``[B]``, pixels; errors as :func:`error`."""
    return _mean(error(found, true))


def outliers(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The share (3) of flow ``[B, ..., 2]``: float64 ``[B]`` in [0, 1]; errors as :func:`error`."""
    wrong, length = error(found, true), error(true, np.zeros_like(true))
    return _mean((wrong > PIXELS) & (wrong > SHARE * length))


def _mean(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).mean(axis=1)
