"""Clips continued from their first frames: by a generator's flow, by the video VAE, by nobody.

    flow      n samples of the flow whose first groups are the observed latents (generation/
              sampler.py, equation (2)): error of one, of their mean, and of the best of them    (1)
    predict   the VAE decodes padding where the future is                                        (2)
    repeat    the last observed frame stays                                                      (3)

Errors are those of held_out.py, of the withheld frames, in [-1, 1] units.  The mean of all futures
has the least error there is; (2) is trained to come near it, and so does the mean of many samples.
One sample of a good generator is one future among many, and its error about twice as large: it
shows in the pictures, and in FVD, what the error cannot.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from pv_vae_jax.core import dims, markdown, pixels
from pv_vae_jax.evaluation import baselines
from pv_vae_jax.evaluation.held_out import Paired, prediction_error
from pv_vae_jax.generation import drawing
from pv_vae_jax.models.video_vae import VideoVAE

ROWS = {
    "sample": "flow, a sample",
    "mean": "flow, mean of the samples",
    "best": "flow, best of the samples",
    "predict": "VAE's prediction",
    "reconstruction": "reconstruction (sees all)",
}
REPEAT = "last frame repeated"


@dataclasses.dataclass(frozen=True)
class Extended:
    """Videos of some clips, uint8, each ``[B, T, H, W, 3]`` but for the samples.

    Attributes:
      original: what came.
      samples: ``[n, B, T, H, W, 3]``.
      predict: equation (2).
      reconstruction: of the whole clip.
    """

    original: np.ndarray
    samples: np.ndarray
    predict: np.ndarray
    reconstruction: np.ndarray

    def errors(self, observe: int) -> dict[str, np.ndarray]:
        """Of the withheld frames, ``[B]`` each: ``ROWS`` and "repeat"."""
        withheld = self.original[:, observe:]
        repeated = baselines.repeated(self.original[:, :observe], withheld.shape[1])
        each = np.stack([prediction_error(withheld, video[:, observe:]) for video in self.samples])
        mean = np.rint(self.samples.mean(axis=0)).astype(np.uint8)
        return {
            "sample": each.mean(axis=0),
            "mean": prediction_error(withheld, mean[:, observe:]),
            "best": each.min(axis=0),
            "predict": prediction_error(withheld, self.predict[:, observe:]),
            "reconstruction": prediction_error(withheld, self.reconstruction[:, observe:]),
            "repeat": prediction_error(withheld, repeated),
        }


def extended(
    drawn: drawing.Drawing, vae: VideoVAE, video: np.ndarray, observe: int, samples: int,
    labels: np.ndarray | None, first: int = 0,
) -> Extended:  # fmt: skip
    """Clips continued.

    Args:
      drawn: the generator.
      vae: the video VAE of its latents; its encoder is causal.
      video: uint8 ``[B, T, H, W, 3]``, of the form of the generator's latents.
      observe: how many frames are seen, 1 + p n and less than T.
      samples: of each clip, n of equation (1).
      labels: of the clips ``[B]``, or None.
      first: number of the first clip, for the noise of its samples.

    Raises:
      ValueError: ``observe`` of another form, or an encoder that is not causal.
    """
    count, frames = video.shape[:2]
    if not vae.spec.encoder_causal:
        raise ValueError(
            f"latents of the first frames of {vae.config['name']} depend on the others, so there "
            "is nothing to continue from: take a video VAE with a causal encoder."
        )
    if not 1 <= observe < frames:
        raise ValueError(f"--observe {observe} of {frames} frames: at least 1, and not all.")
    seen = dims.groups_of(observe, vae.spec.temporal)
    known = np.zeros((count, *drawn.shape), np.float32)
    known[:, :seen] = np.asarray(vae.encode(video[:, :observe]))
    observed = np.tile(np.arange(drawn.shape[0]) < seen, (count, 1))
    decode, found = drawing.Decoder(vae), []
    for number in range(samples):
        indices = (first + np.arange(count)) * samples + number
        latents = drawn.latents(indices, labels, count, observed, known)
        found += [decode(z) for z in latents]
    predict = pixels.eight_bits(vae.predict(video[:, :observe], frames))
    reconstruction = pixels.eight_bits(vae.decode(vae.encode(video)))
    return Extended(video, np.stack(found), predict, reconstruction)


def figures(errors: Iterable[dict[str, np.ndarray]]) -> dict[str, Paired]:
    """Each of ``ROWS`` against repeating the last frame, over all clips."""
    errors = list(errors)
    column = {name: np.concatenate([each[name] for each in errors]) for name in errors[0]}
    return {name: Paired.of(column[name], column["repeat"]) for name in ROWS}


def text(found: dict[str, Paired], about: dict[str, Any]) -> str:
    """Markdown for a reader."""
    heads, rows = ["", "MSE of withheld frames", f"against: {REPEAT}, paired 95%"], []
    for name, title in ROWS.items():
        pair = found[name]
        ends = pair.relative, pair.relative_low, pair.relative_high
        relative, low, high = (100 * value for value in ends)
        rows.append([title, f"{pair.model:.5f}", f"{relative:+.1f}% [{low:+.1f}, {high:+.1f}]"])
    rows.append([REPEAT, f"{found['sample'].baseline:.5f}", ""])
    title = (
        f"{about['clips']} clips of {about['frames']} frames, {about['observe']} of them seen; "
        f"{about['samples']} samples of each"
    )
    return f"{title}\n\n{markdown.table(heads, rows)}"
