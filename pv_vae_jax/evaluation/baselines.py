"""The rules that a model must beat: no learning, uint8 ``[B, T, H, W, 3]`` in and out."""

import cv2
import numpy as np

THUMBNAIL = 8


def mean_frame(video: np.ndarray) -> np.ndarray:
    """Every frame is the clip's mean over time, rounded to 8 bits."""
    mean = np.rint(video.mean(axis=1, keepdims=True)).astype(np.uint8)
    return np.broadcast_to(mean, video.shape)


def thumbnail(video: np.ndarray) -> np.ndarray:
    """Every frame shrunk to 1/8 by area and enlarged again by bicubic interpolation (OpenCV)."""
    height, width = video.shape[2:4]
    small = (max(1, width // THUMBNAIL), max(1, height // THUMBNAIL))
    frames = [
        cv2.resize(
            cv2.resize(frame, small, interpolation=cv2.INTER_AREA),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        for frame in video.reshape(-1, height, width, 3)
    ]
    return np.stack(frames).reshape(video.shape)


def repeated(observed: np.ndarray, frames: int) -> np.ndarray:
    """The last observed frame, ``frames`` times."""
    return np.repeat(observed[:, -1:], frames, axis=1)
