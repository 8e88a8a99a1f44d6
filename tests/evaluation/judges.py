"""Small networks in the place of judges."""

import numpy as np


class Moments:
    """Eight means of colours and changes, as a judge; it notes the clips that it looks at."""

    name, sha256, prepared, features, least_frames = "moments", "0" * 64, "as they are", 8, 2

    def __init__(self):
        self.looked = 0

    def logits(self, video):
        video = np.asarray(video, np.float64)
        self.looked += len(video)
        colours = video.mean(axis=(1, 2, 3))
        changes = np.abs(np.diff(video, axis=1)).mean(axis=(1, 2, 3))
        spread = video.std(axis=(1, 2, 3))[:, :2]
        return np.concatenate([colours, changes, spread], axis=1).astype(np.float32)


class Broken(Moments):
    """A judge that gives NaN."""

    def logits(self, video):
        return np.full((len(video), 8), np.nan, np.float32)
