"""How near a video is to its original, on 8-bit pixels.

    MSE_b  = mean over T, H, W, C of (x - y)^2,        x, y in [0, 255]                     (1)
    PSNR_b = 10 log10(255^2 / max(MSE_b, 1/12))   [dB]                                      (2)
    SSIM_b = mean over T of SSIM of a frame                                                 (3)

1/12 is the variance of rounding to 8 bits, so PSNR is finite: at most 58.92 dB.
One number per clip; a mean over clips is a mean of these numbers (not the PSNR of a mean error).
SSIM is scikit-image's, with Wang's settings: Gaussian window of 11 pixels, sigma 1.5, K1 0.01,
K2 0.03, population covariance, mean over colours.
Reference: Wang et al., "Image quality assessment", IEEE TIP 13(4), 2004.
"""

import numpy as np
from skimage.metrics import structural_similarity

PROTOCOL = (
    "8-bit pixels, peak 255; one value per clip, then the mean over clips: PSNR of the error over "
    "all frames of the clip (at most 58.92 dB), SSIM mean over its frames (Gaussian window 11, "
    "sigma 1.5, K1 0.01, K2 0.03)"
)
WINDOW = 11
ROUNDING = 1 / 12


def mean_squared_error(original: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Equation (1) of uint8 videos ``[B, T, H, W, 3]``: float64 ``[B]``, in squared 8-bit units.

    Raises:
      ValueError: a type other than uint8, or unequal shapes.
    """
    _check(original, other)
    difference = original.astype(np.int32) - other.astype(np.int32)
    return np.square(difference).mean(axis=(1, 2, 3, 4))


def psnr(original: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Equation (2): ``[B]`` in dB; arguments and errors as :func:`mean_squared_error`."""
    return decibels(mean_squared_error(original, other))


def decibels(error: np.ndarray | float) -> np.ndarray | float:
    """Equation (2) of a mean squared error in squared 8-bit units."""
    return 10 * np.log10(255**2 / np.maximum(error, ROUNDING))


def ssim(original: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Equation (3): ``[B]``; arguments and errors as :func:`mean_squared_error`.

    Raises:
      ValueError: also for frames smaller than the window.
    """
    _check(original, other)
    if min(original.shape[2:4]) < WINDOW:
        height, width = original.shape[2:4]
        raise ValueError(f"SSIM wants frames of {WINDOW}x{WINDOW} or more, got {height}x{width}.")
    return np.array(
        [
            np.mean([_frame_ssim(*frames) for frames in zip(*clips, strict=True)])
            for clips in zip(original, other, strict=True)
        ]
    )


def _frame_ssim(original: np.ndarray, other: np.ndarray) -> float:
    return structural_similarity(
        original,
        other,
        data_range=255,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def _check(original: np.ndarray, other: np.ndarray) -> None:
    for video in (original, other):
        if video.dtype != np.uint8 or video.ndim != 5:
            raise ValueError(
                f"fidelity is of uint8 videos [B, T, H, W, 3], got {video.dtype}"
                f"{list(video.shape)}: round floats first (core/pixels.py)."
            )
    if original.shape != other.shape:
        raise ValueError(f"two videos have one shape, got {original.shape} and {other.shape}.")
