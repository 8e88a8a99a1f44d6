"""Does what a probe is fed hold optical flow?

    features of T frames -> flow(x, n), from pixel x of frame n to its place in frame n + 1
    loss = mean sqrt(|found - true|^2 + 0.01^2)                                             (1)

The flow of a pair of frames belongs to its later frame: results of frames 1 to T-1 are used.
Reported are the end-point error and outliers (metrics/flow.py) on the test clips, in pixels of
the clip, beside those of no motion at all, which a probe that is fed nothing comes to.
Paper: Sintel, 5.92 and 5.18, in pixels of frames whose size is not published.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.metrics import flow

SOFT = 0.01


class FlowProbe:
    """The task "flow".  Its targets: "flow", float32 ``[N, T-1, H, W, 2]``."""

    name, outputs, stride = "flow", 2, 1
    targets = ("flow",)
    # Figures by name: title, better, digits.
    figures = {
        "flow_epe": ("flow, EPE", "less", 3),
        "flow_outliers": ("outliers, %", "less", 2),
        "flow_still": ("EPE of no motion", "", 3),
    }
    paper = {"flow_epe": {"baseline": 5.92, "PV-VAE": 5.18, "on": "Sintel"}}

    def loss(self, found: jax.Array, targets: Mapping[str, jax.Array]) -> jax.Array:
        """Equation (1) of results ``[B, T, H, W, 2]``."""
        square = jnp.square(found[:, 1:] - targets["flow"]).sum(axis=-1)
        return jnp.sqrt(square + SOFT**2).mean()

    def measured(
        self, found: np.ndarray, clips: np.ndarray, targets: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Figures of each clip, ``[n]``, of results as above."""
        true = targets["flow"]
        return {
            "flow_epe": flow.end_point_error(found[:, 1:], true),
            "flow_outliers": 100 * flow.outliers(found[:, 1:], true),
            "flow_still": flow.end_point_error(np.zeros_like(true), true),
        }
