"""How a protocol is run: its data and judges, opened once for all that is measured by it."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pv_vae_jax.evaluation import judging, videos
from pv_vae_jax.evaluation.measuring import Video
from pv_vae_jax.evaluation.protocol import Protocol
from pv_vae_jax.losses import perceptual
from pv_vae_jax.pretrained import c3d, i3d
from pv_vae_jax.sharding import local


@dataclasses.dataclass(frozen=True)
class Setup:
    """How a protocol is run; judges and videos are the same for all that is measured by it.

    Attributes:
      used: the protocol.
      data: folders of its data sets, by name.
      out: folder of the results, a path or a URL.
      batch: clips at once on each device.
      judge: a user's own I3D, or None for the pinned one.
      classifier: a user's own C3D (file, mean, how its frames are prepared); no file: none.
      keys: of the videos, instead of the protocol's first ones.
      replace: let the next videos stand in for those that cannot be used.
      command: that measures, kept in the results.
      shared: whether all hosts of the program measure together; False: this one alone.
      anew: begin again where ``out`` has rows of another protocol, model or judge.
    """

    used: Protocol
    data: Mapping[str, str]
    out: Any
    batch: int = 1
    judge: str | None = None
    classifier: tuple[str | None, str | None, str] = (None, None, "c3d")
    keys: Sequence[str] | None = None
    replace: bool = False
    command: str = ""
    shared: bool = True
    anew: bool = False

    def __post_init__(self):
        if self.batch < 1:
            raise ValueError(f"--batch is at least 1, got {self.batch}.")

    @functools.cached_property
    def features(self) -> judging.Features:
        """Of the judge, which has proved itself on its known clip."""
        judge = i3d.load(self.judge)
        judge.check()
        return judging.Features(judge)

    @functools.cached_property
    def lpips(self) -> perceptual.LPIPS:
        """With the protocol's network."""
        return perceptual.load(self.used.lpips).on(local.devices())

    @functools.cached_property
    def logits(self) -> judging.Features | None:
        """Of the classifier, where the protocol or the user names one."""
        if self.classifier[0] or self.used.classifier:
            return judging.Features(c3d.load(*self.classifier))
        return None

    @functools.cached_property
    def videos(self) -> list[Video]:
        """All that there are, in order."""
        available = videos.of_datasets(self.used, self.data)
        return available if self.keys is None else videos.listed(available, self.keys, self.used)
