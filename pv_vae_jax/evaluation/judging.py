"""Features of clips by a frozen network, kept by content.

    features(clip) = cache/features/JUDGE/sha256(clip)                                      (1)

so originals are looked at once, whichever models they are compared with.  JUDGE is the network's
name with a checksum of its weights and of how it prepares its frames.
"""

import hashlib

import numpy as np

from pv_vae_jax.core import cache, storage
from pv_vae_jax.pretrained.judge import Judge
from pv_vae_jax.sharding import local


def digest(video: np.ndarray) -> str:
    """sha256 of a clip's shape and pixels, uint8 ``[T, H, W, 3]``."""
    form = f"{video.dtype}{video.shape}".encode()
    return hashlib.sha256(form + np.ascontiguousarray(video).tobytes()).hexdigest()


class Features:
    """Equation (1) of one judge.

    Attributes:
      judge: the network.
      computed: clips that it has looked at; the others were in the cache.
    """

    def __init__(self, judge: Judge):
        self.judge = judge
        self.computed = 0
        about = hashlib.sha256(f"{judge.sha256}{judge.prepared}".encode()).hexdigest()
        self._folder = cache.folder("features") / f"{judge.name}-{about[:16]}"

    def check_frames(self, frames: int) -> None:
        """Raises ValueError if the network wants longer clips."""
        if frames < self.judge.least_frames:
            raise ValueError(
                f"{self.judge.name} looks at clips of {self.judge.least_frames} frames or more, "
                f"got {frames}."
            )

    def __call__(self, videos: np.ndarray, keep: bool = True) -> np.ndarray:
        """Of clips uint8 ``[B, T, H, W, 3]``: float32 ``[B, features]``.

        Args:
          videos: the clips.
          keep: whether they are looked at again in other evaluations, as originals are.

        Raises:
          ValueError: fewer frames than the network wants, or features that are not finite.
        """
        self.check_frames(videos.shape[1])
        digests = [digest(video) for video in videos]
        known = {each: self._known(each) for each in set(digests)}
        missing = sorted(digests.index(each) for each in known if known[each] is None)
        if missing:
            # Always whole batches, so that there is one program, and an equal part on each device.
            filled = missing + missing[:1] * (local.rounded_up(len(videos)) - len(missing))
            found = np.asarray(self.judge.logits(local.split(videos[filled])), np.float32)
            self.computed += len(missing)
            for i, vector in zip(missing, found, strict=False):
                if not np.isfinite(vector).all():
                    raise ValueError(f"{self.judge.name} gave features that are not finite.")
                known[digests[i]] = vector
                if keep:
                    self._keep(digests[i], vector)
        return np.stack([known[each] for each in digests])

    def _known(self, name: str) -> np.ndarray | None:
        path = self._folder / f"{name}.npy"
        if not storage.exists(path):
            return None
        with storage.opened(path) as file:
            vector = np.load(file, allow_pickle=False)
        return vector if vector.shape == (self.judge.features,) else None

    def _keep(self, name: str, vector: np.ndarray) -> None:
        with storage.whole(self._folder / f"{name}.npy") as partial, partial.open("wb") as file:
            np.save(file, vector)
