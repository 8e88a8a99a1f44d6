"""Inputs of the golden values, re-made wherever they are needed; NumPy alone."""

import numpy as np


def clips(batch=2, frames=3, height=64, width=72):
    """Smooth clips in [-1, 1] and the same with noise, float32 ``[B, T, H, W, 3]``."""
    random = np.random.default_rng(3)
    b, t, y, x, c = np.ogrid[:batch, :frames, :height, :width, :3]
    waves = np.sin(0.11 * x * (1 + b) + 0.07 * y + 0.9 * t + c) * np.cos(0.05 * y * (1 + c) - b)
    noise = random.standard_normal(waves.shape) * (0.05 + 0.1 * t)
    return waves.astype(np.float32), np.clip(waves + noise, -1, 1).astype(np.float32)


def convolution(number, kh, kw, c, o):
    """Random kernel ``[kh, kw, C, O]`` and bias ``[O]`` of the number-th convolution."""
    random = np.random.default_rng([5, number])
    kernel = random.standard_normal((kh, kw, c, o), np.float32) * np.sqrt(2 / (kh * kw * c))
    return kernel.astype(np.float32), 0.1 * random.standard_normal(o, np.float32)


def head(level, c):
    """Random weights of the channels of a level (1 to 5), at least 0."""
    return np.random.default_rng([6, level]).uniform(0, 1, c).astype(np.float32)


def state(lib):
    """Tensors for the formats of torch: types, strides, a shared storage, an empty one, a scalar.

    Args:
      lib: torch or numpy; the values agree.
    """
    base = lib.arange(24, dtype=lib.float32).reshape(4, 6)
    return {
        "whole": base,
        "turned": base.T,
        "part": base[1:3, ::2],
        "half": lib.arange(5, dtype=lib.float16) / 4,
        "long": lib.arange(3, dtype=lib.int64) - 1,
        "byte": lib.arange(250, 254, dtype=lib.uint8),
        "truth": lib.arange(3, dtype=lib.int64) > 1,
        "empty": lib.zeros((0, 3), dtype=lib.float32),
        "scalar": lib.ones((), dtype=lib.float64),
    }
