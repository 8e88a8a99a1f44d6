"""What analyses see of a batch of clips; each part is made once, when it is first asked for.

clips -> latents z (normalised, mean of the posterior) -> reconstruction
the first half of the groups -> prediction of the rest
clips -> flow
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from pv_vae_jax.analysis.flow import FlowOf
from pv_vae_jax.core import dims, pixels
from pv_vae_jax.evaluation.measuring import Video
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import local


def observed_frames(frames: int, temporal: int) -> int:
    """How many frames a prediction sees: the latter half of the groups, rounded down, is withheld.

    Raises:
      ValueError: nothing is left to predict, or T is of another form.
    """
    groups = dims.groups_of(frames, temporal)
    if groups < 2:
        raise ValueError(f"an analysis wants 2 groups of frames or more, got {frames} frame.")
    return dims.frames_of(groups - groups // 2, temporal)


@dataclasses.dataclass
class Look:
    """One batch.

    Attributes:
      vae: the model, on all devices of this host.
      videos: the first clips are theirs; the rest are copies that fill up the batch.
      clips: uint8 ``[B, T, H, W, 3]``, B a multiple of the devices.
      flow_of: where flow comes from.
    """

    vae: VideoVAE
    videos: Sequence[Video]
    clips: np.ndarray
    flow_of: FlowOf

    @functools.cached_property
    def latents(self) -> np.ndarray:
        """Normalised, float64 ``[B, G, h, w, c]``.

        Raises:
          ValueError: some are not finite.
        """
        return np.asarray(self._finite(self._latents, "latents"), np.float64)

    @functools.cached_property
    def _latents(self):
        return self.vae.encode(local.split(self.clips))

    @functools.cached_property
    def reconstruction(self) -> np.ndarray:
        """uint8 as the clips."""
        again = self.vae.decode(self._latents)
        return pixels.eight_bits(self._finite(again, "reconstruction"))

    @functools.cached_property
    def observed(self) -> int:
        """How many frames the prediction sees."""
        return observed_frames(self.clips.shape[1], self.vae.spec.temporal)

    @functools.cached_property
    def prediction(self) -> np.ndarray:
        """uint8 as the clips: observed frames reconstructed, then the predicted ones."""
        seen = local.split(np.ascontiguousarray(self.clips[:, : self.observed]))
        again = self.vae.predict(seen, self.clips.shape[1])
        return pixels.eight_bits(self._finite(again, "prediction"))

    @functools.cached_property
    def flow(self) -> list[np.ndarray | None]:
        """Of each video: float32 ``[T-1, H, W, 2]``, or None."""
        return [self.flow_of(*pair) for pair in zip(self.videos, self.clips, strict=False)]

    def _finite(self, array, what: str):
        good = np.asarray(jnp.isfinite(array).all(axis=(1, 2, 3, 4)))
        for video, fine in zip(self.videos, good, strict=False):
            if not fine:
                raise ValueError(
                    f"the {what} of {video.key} by {self.vae.config['name']} is not finite: its "
                    "weights, or its precision, are at fault."
                )
        return array
