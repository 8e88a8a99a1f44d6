"""What a model makes of one colour: anything that is not that colour was added by the model.

    r = x_hat - mean of x_hat over the frame
    P = mean over clips, frames, colours of |FFT2 r|^2                                      (1)
    share(p) = sum of P at multiples of 1/p in both directions / sum of P,     0 left out   (2)
    share(p) of white noise = (p^2 - 1) / (N^2 - 1)                                         (3)

A pattern that repeats every p pixels has all its energy at multiples of 1/p, so that a grid of
patches or of latents shows as a share (2) far above (3): p^2 - 1 of the N^2 - 1 frequencies are
counted.  (1) is of the middle of the frame, N a side, a multiple of p, where the zeros around it
are hardly seen.
"""

import dataclasses

import numpy as np

from pv_vae_jax.models.video_vae import VideoVAE

COLOURS = ((128, 128, 128), (255, 255, 255), (0, 0, 0), (200, 60, 60), (60, 200, 60), (60, 60, 200))


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """Equations (1) to (3).

    Attributes:
      residual: r of the first colour's last frame, ``[N, N, 3]``.
      power: P, ``[N, N]``, zero frequency first.
      deviation: root of the mean of r^2, in 8-bit levels.
      shares: p to equation (2), for the powers of two up to the model's spatial factor.
    """

    residual: np.ndarray
    power: np.ndarray
    deviation: float
    shares: dict[int, float]

    @property
    def noise(self) -> dict[int, float]:
        """Period to equation (3), for those of ``shares``."""
        return {p: (p**2 - 1) / (len(self.power) ** 2 - 1) for p in self.shares}


def of_power(power: np.ndarray, period: int) -> float:
    """Equation (2) of ``power [N, N]``, N a multiple of the period."""
    step = len(power) // period
    total = power.sum() - power[0, 0]
    return float((power[::step, ::step].sum() - power[0, 0]) / total) if total else 0.0


def of_colours(vae: VideoVAE, frames: int, size: int) -> Spectrum:
    """Clips of one colour each through the model.

    Args:
      vae: the model.
      frames: of a clip, 1 + p n.
      size: rows and columns, at least twice the spatial factor, a multiple of it.

    Raises:
      ValueError: frames too small to have a middle.
    """
    side = vae.spec.spatial
    half = size // side // 2 * side
    if half < side or size % side:
        raise ValueError(
            f"the middle of a frame is {side} pixels or more of twice that: use a size of "
            f"{max(2 * side, size // side * side)}, got {size}."
        )
    colours = np.array(COLOURS, np.uint8).reshape(-1, 1, 1, 1, 3)
    first = (size - half) // 2
    middle = slice(first, first + half)
    residuals = []
    for colour in colours:
        clip = np.broadcast_to(colour, (1, frames, size, size, 3))
        made = np.asarray(vae.decode(vae.encode(clip), clamp=False))[0, :, middle, middle]
        residuals.append(made - made.mean(axis=(1, 2), keepdims=True))
    residual = np.stack(residuals)
    power = np.square(np.abs(np.fft.fft2(residual, axes=(2, 3)))).mean(axis=(0, 1, 4))
    periods = [2**i for i in range(1, side.bit_length()) if side % 2**i == 0]
    return Spectrum(
        residual[0, -1],
        power,
        127.5 * float(np.sqrt(np.square(residual).mean())),
        {period: of_power(power, period) for period in periods},
    )
