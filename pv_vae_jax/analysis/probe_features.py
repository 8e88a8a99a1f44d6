"""What a probe is fed: latents of a clip, or features of a frozen generator of such latents.

    z   = latents of the clip, normalised, mean of the posterior                 "latents"
    x_t = (1 - t) noise(seed, example) + t z,    no label                                   (1)
    f   = x_t after ``layer`` blocks of the generator (models/latte.py)          "features"

t = 1 is data, t = 0 noise (losses/rectified_flow.py).  Paper: layer 14 of 28; its t is not
published.  Features of clips are computed once for all tasks, and kept in memory: float32,
N G h w C numbers.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from pv_vae_jax.core import rng, trees
from pv_vae_jax.losses import rectified_flow
from pv_vae_jax.models.generator import Generator
from pv_vae_jax.models.latte import Latte
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import local

TIME = 0.8


@functools.partial(jax.jit, static_argnums=(0, 1))
def at_layer(
    module: Latte, layer: int, params: trees.Tree, x: jax.Array, time: jax.Array, label: Any
) -> jax.Array:
    """Features (1): ``[B, G, h, w, c]`` to float32 ``[B, G, h / patch, w / patch, width]``."""
    _, kept = module.apply({"params": params}, x, time, label, features=(layer,))
    return kept[layer].astype(jnp.float32)


class Fed:
    """Where a probe's features come from.

    Attributes:
      vae: the video VAE, on all devices of this host.
      generator: on its latents, or None for the latents themselves.
      layer: 1 to the generator's depth.
      time: t of equation (1).
      seed: of its noise.
    """

    def __init__(
        self,
        vae: VideoVAE,
        generator: Generator | None = None,
        layer: int | None = None,
        time: float = TIME,
        seed: int = 0,
    ):
        """Places the generator; ``layer`` is by default the middle.

        Raises:
          ValueError: the generator's latents are others, or a layer or time that does not exist.
        """
        self.vae, self.generator, self.time, self.seed = vae, generator, time, seed
        self.layer = 0
        if generator is None:
            return
        generator.check(vae)
        depth = generator.module.depth
        self.layer = depth // 2 if layer is None else layer
        if not 1 <= self.layer <= depth:
            raise ValueError(f"the layers of the generator are 1 to {depth}; got {layer}.")
        if not 0 <= time <= 1:
            raise ValueError(f"the time of probes lies in 0 (noise) to 1 (data); got {time}.")
        self._params = local.whole(generator.params)

    @property
    def name(self) -> str:
        """What it is fed: "latents" or "features"."""
        return "latents" if self.generator is None else "features"

    @property
    def settings(self) -> dict[str, Any]:
        """What decides features beside the video VAE, for a finding."""
        if self.generator is None:
            return {"fed": self.name}
        described = {"layer": self.layer, "depth": self.generator.module.depth, "time": self.time}
        return {"fed": self.name, "seed": self.seed} | described

    @property
    def cell(self) -> int:
        """Pixels of a cell of features."""
        return self.vae.spec.spatial * (self.generator.module.patch if self.generator else 1)

    def of(self, clips: np.ndarray, first: int, batch: int, title: str = "") -> np.ndarray:
        """Features of clips.

        Args:
          clips: uint8 ``[N, T, H, W, 3]``.
          first: number of the first example, for its noise.
          batch: clips at once on each device.
          title: of the progress bar.

        Returns:
          float32 ``[N, G, h, w, C]``.

        Raises:
          ValueError: some are not finite.
        """
        count, size = len(clips), batch * local.devices()
        found = []
        with tqdm.tqdm(total=count, desc=title or self.name, unit="clip", disable=None) as bar:
            for start in range(0, count, size):
                rows = np.minimum(np.arange(start, start + size), count - 1)
                made = self._of(local.split(clips[rows]), first + rows)
                found.append(np.asarray(made, np.float32)[: count - start])
                bar.update(len(found[-1]))
        features = np.concatenate(found)
        if not np.isfinite(features).all():
            raise ValueError(
                f"the {self.name} of {self.vae.config['name']} are not finite: its weights, or its "
                "precision, are at fault."
            )
        return features

    def _of(self, clips: jax.Array, examples: np.ndarray) -> jax.Array:
        latents = self.vae.encode(clips)
        if self.generator is None:
            return latents
        count, groups, *shape = latents.shape
        examples = local.split(examples.astype(np.uint32))
        noise = _noise(self.seed, examples, groups, tuple(shape))
        time = local.split(np.full(count, self.time, np.float32))
        x, _ = rectified_flow.path(latents, noise, time)
        label = self.generator.conditioned(None, count)
        return at_layer(self.generator.module, self.layer, self._params, x, time, label)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _noise(seed: int, examples: jax.Array, groups: int, shape: tuple[int, int, int]) -> jax.Array:
    key = rng.stream_key(seed, "probes")
    return rng.latent_noise(key, examples, groups, shape)
