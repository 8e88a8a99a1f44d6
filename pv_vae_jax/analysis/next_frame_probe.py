"""Does what a probe is fed hold the frame to come?

    features of frames 0 ... T-1 -> frame T,      pixels in [-1, 1]
    loss = mean (found - true)^2                                                            (1)

The result of the last frame's place is taken, clipped to [-1, 1] when it is judged; beside it
stands what the last frame says when it is repeated.
Paper: Kinetics-400, 0.0314 and 0.0289; size and range of its pixels are not published.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np


class NextFrameProbe:
    """The task "next_frame".  Its targets: "next", uint8 ``[N, H, W, 3]``."""

    name, outputs, stride = "next_frame", 3, 1
    targets = ("next",)
    figures = {
        "next_frame_mse": ("next frame, MSE", "less", 4),
        "next_frame_repeated": ("MSE of the last frame", "", 4),
    }
    paper = {"next_frame_mse": {"baseline": 0.0314, "PV-VAE": 0.0289, "on": "Kinetics-400"}}

    def loss(self, found: jax.Array, targets: Mapping[str, jax.Array]) -> jax.Array:
        """Equation (1) of results ``[B, T, H, W, 3]``."""
        true = targets["next"].astype(jnp.float32) / 127.5 - 1.0
        return jnp.square(found[:, -1] - true).mean()

    def measured(
        self, found: np.ndarray, clips: np.ndarray, targets: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Figures of each clip, ``[n]``, of results as above and clips uint8."""
        true, last = _float(targets["next"]), _float(clips[:, -1])
        return {
            "next_frame_mse": np.square(found[:, -1].clip(-1, 1) - true).mean(axis=(1, 2, 3)),
            "next_frame_repeated": np.square(last - true).mean(axis=(1, 2, 3)),
        }


def _float(frames: np.ndarray) -> np.ndarray:
    return frames / 127.5 - 1.0
