"""Weights from names, and clips and latents from seeds, the same in torch and here.

    kernel     N(0, 1 / fan_in) * gain        vector "weight", "gamma", "scale"    1 + N(0, 0.1^2)
    bias       N(0, 0.1^2)                                                                       (1)

The seed of a tensor is the CRC32 of its name, so only outputs are committed.
"""

import zlib

import numpy as np


def tensor(name: str, shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    """Equation (1), float32; ``name`` and ``shape`` are the reference's."""
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("bias"):
        drawn = 0.1 * drawn
    elif np.prod(shape) == shape[0]:
        drawn = 1 + 0.1 * drawn
    else:
        drawn = drawn * gain / np.sqrt(np.prod(shape[1:]))
    return drawn.astype(np.float32)


def normal(seed: int, *shape: int) -> np.ndarray:
    """Standard normal float32, such as latents."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def clip(seed: int, frames: int, height: int, width: int, batch: int = 1) -> np.ndarray:
    """Smooth moving waves, float32 ``[B, T, H, W, 3]`` in [-1, 1]; frames differ."""
    rng = np.random.default_rng(seed)
    b, t, h, w, c = np.meshgrid(
        np.arange(batch), np.arange(frames), np.arange(height), np.arange(width), np.arange(3),
        indexing="ij",
    )  # fmt: skip
    x = np.zeros(b.shape)
    for _ in range(4):
        kt, kh, kw, kc, kb, phase = rng.uniform(-1, 1, 6)
        x += np.sin(1.5 * kt * t + kh * h + kw * w + 2 * kc * c + 3 * kb * b + 6 * phase)
    return (x / 4).astype(np.float32)
