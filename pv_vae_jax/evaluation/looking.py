"""What is measured on a batch of clips.

Reconstruction   result = decode(encode(clip)) on 8-bit pixels; PSNR, SSIM, LPIPS of the pair;
                 the judge's features of both
Features alone   of clips as they are, or of what a model makes of them, for distances between
                 distributions
"""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import pixels
from pv_vae_jax.evaluation import judging
from pv_vae_jax.evaluation.measuring import Spent, Video
from pv_vae_jax.evaluation.rows import Row
from pv_vae_jax.losses import perceptual
from pv_vae_jax.metrics import fidelity
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import local


@dataclasses.dataclass
class Reconstruction:
    """Makes the rows of a video VAE.

    Attributes:
      vae: the model.
      name: of the model, for errors.
      features: of the judge.
      lpips: with its network.
      spent: counts the time.
    """

    vae: VideoVAE
    name: str
    features: judging.Features
    lpips: perceptual.LPIPS
    spent: Spent

    def __call__(self, videos: Sequence[Video], clips: np.ndarray) -> list[Row]:
        """Rows of clips uint8 ``[B, T, H, W, 3]``, of which ``videos`` are the first.

        Raises:
          ValueError: a reconstruction is not finite.
        """
        with self.spent.on("reconstructing"):
            results = reconstructed(self.vae, self.name, videos, clips)
        with self.spent.on("judging"):
            original, result = self.features(clips), self.features(results, keep=False)
            lpips = perceptual.of_clips(self.lpips, *map(local.split, (clips, results)))
        with self.spent.on("psnr and ssim"):
            pair = clips[: len(videos)], results[: len(videos)]
            psnr, ssim = fidelity.psnr(*pair), fidelity.ssim(*pair)
        return [
            Row(
                video.key,
                video.source,
                judging.digest(clips[i]),
                values={"psnr": float(psnr[i]), "ssim": float(ssim[i]), "lpips": float(lpips[i])},
                features={"original": original[i], "result": result[i]},
            )
            for i, video in enumerate(videos)
        ]


@dataclasses.dataclass
class Looking:
    """Makes the rows of clips as they are.

    Attributes:
      features: of the judge.
      classifier: of the network of the Inception Score, or None.
      spent: counts the time.
      through: the model that clips go through before, with its name, or None.
      keep: whether features of the clips are kept for other evaluations.
    """

    features: judging.Features
    classifier: judging.Features | None
    spent: Spent
    through: tuple[VideoVAE, str] | None = None
    keep: bool = True

    def __call__(self, videos: Sequence[Video], clips: np.ndarray) -> list[Row]:
        """Rows of clips uint8 ``[B, T, H, W, 3]``, of which ``videos`` are the first."""
        seen = clips
        if self.through is not None:
            with self.spent.on("reconstructing"):
                seen = reconstructed(*self.through, videos, clips)
        with self.spent.on("judging"):
            found = {"original": self.features(seen, self.keep and self.through is None)}
            if self.classifier is not None:
                found["classifier"] = self.classifier(seen, self.keep)
        return [
            Row(
                video.key,
                video.source,
                judging.digest(clips[i]),
                features={name: each[i] for name, each in found.items()},
            )
            for i, video in enumerate(videos)
        ]


def reconstructed(
    vae: VideoVAE, name: str, videos: Sequence[Video], clips: np.ndarray
) -> np.ndarray:
    """decode(encode(clips)) on 8-bit pixels.

    Raises:
      ValueError: the reconstruction of one of ``videos``, the first of ``clips``, is not finite.
    """
    again = vae.decode(vae.encode(local.split(clips)))
    finite = np.asarray(jnp.isfinite(again).all(axis=(1, 2, 3, 4)))
    for video, good in zip(videos, finite, strict=False):
        if not good:
            raise ValueError(
                f"the reconstruction of {video.key} by {name} is not finite (NaN or infinite "
                "pixels), so there are no figures: its weights, or its precision, are at fault."
            )
    return pixels.eight_bits(again)
