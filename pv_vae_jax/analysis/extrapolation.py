"""Linear extrapolation of flow: what a predictor must beat where things merely go on moving.

    b(x)      flow of the last observed frame back to the one before it
    x_m(x)    = x_0(x + m b(x)),    m = 1, 2, ...                                           (1)

so every pixel keeps the velocity ``-b`` that its place has in the last frame (bilinear, the edge is
repeated outside): exact where all of the frame moves by one constant translation.
"""

import cv2
import numpy as np

from pv_vae_jax.analysis import flow


def extrapolated(observed: np.ndarray, frames: int) -> np.ndarray:
    """Equation (1) with DIS flow: the ``frames`` frames after uint8 ``[T, H, W, 3]``, T >= 2.

    Raises:
      ValueError: one frame alone, which has no motion.
    """
    if len(observed) < 2:
        raise ValueError("extrapolation of flow wants 2 observed frames or more, got 1.")
    back = flow.dis(observed[:-3:-1])[0]
    return moved(observed[-1], back, frames)


def moved(frame: np.ndarray, back: np.ndarray, frames: int) -> np.ndarray:
    """Equation (1) of a frame ``[H, W, C]`` and ``back [H, W, 2]``: ``[frames, H, W, C]``."""
    return np.stack([warped(frame, m * back) for m in range(1, frames + 1)])


def warped(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``frame(x + flow(x))``: what a frame ``[H, W, C]`` shows where flow ``[H, W, 2]`` ends."""
    height, width = frame.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    place = x + flow[..., 0].astype(np.float32), y + flow[..., 1].astype(np.float32)
    return cv2.remap(frame, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
