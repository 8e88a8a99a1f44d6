"""The smallest PV-VAE that has every part, for tests: 8 widths, 4 latent channels, patch 4."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.data.batch import Batch
from pv_vae_jax.interface import LatentSpec, Posterior
from pv_vae_jax.models import sizes
from pv_vae_jax.withholding import observed_groups, observed_pixels

FIELDS = {
    "channels": 4,
    "head": "norm",
    "widths": (8, 8, 8),
    "encoder_blocks": (0, 0, 1),
    "decoder_blocks": (0, 0, 1),
}
SHALLOW = FIELDS | {"encoder_blocks": (0, 0, 0), "decoder_blocks": (0, 0, 0)}


TRANSFORMER = {
    "channels": 4,
    "head": "norm",
    "width": 16,
    "heads": 2,
    "encoder_depth": 1,
    "decoder_depth": 1,
    "window": 2,
}
HYBRID = TRANSFORMER | {"widths": (8, 8), "encoder_blocks": (0, 0), "decoder_blocks": (0, 0)}


def module(**overrides):
    return sizes.build("pv_vae_tiny", **(FIELDS | overrides))


def transformer(**overrides):
    return sizes.build("pv_vae_transformer_tiny", **(TRANSFORMER | overrides))


def hybrid(**overrides):
    return sizes.build("pv_vae_hybrid_tiny", **(HYBRID | overrides))


class LinearVAE(nn.Module):
    """A video VAE of two matrices, t4s16, for tests of what surrounds a model: compiles at once."""

    channels: int = 4
    spec = LatentSpec(temporal=4, spatial=16, channels=4)
    last_layer = "decoder/kernel"

    def setup(self):
        self.encoder = nn.Dense(2 * self.channels)
        self.decoder = nn.Dense(4 * 16 * 16 * 3)

    def posterior(self, video):
        b, t, h, w, _ = video.shape
        video = jnp.concatenate([video[:, :1]] * 3 + [video], axis=1)
        patches = video.reshape(b, (t + 3) // 4, 4, h // 16, 16, w // 16, 16, 3)
        patches = patches.transpose(0, 1, 3, 5, 2, 4, 6, 7)
        return Posterior.from_moments(self.encoder(patches.reshape(*patches.shape[:4], -1)))

    def hide(self, video, observed):
        return jnp.where(observed_pixels(observed, *video.shape[2:4]), video, 0.0)

    def pad(self, latents, observed, noise=None):
        missing = observed.shape[1] - latents.shape[1]
        latents = jnp.pad(latents, ((0, 0), (0, missing), (0, 0), (0, 0), (0, 0)))
        return jnp.where(observed[..., None], latents, 0.0)

    def decode_raw(self, latents):
        b, g, h, w, _ = latents.shape
        video = self.decoder(latents).reshape(b, g, h, w, 4, 16, 16, 3)
        video = video.transpose(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, 4 * g, 16 * h, 16 * w, 3)
        return video[:, 3:]

    def __call__(self, video):
        return self.decode_raw(self.posterior(video).mean)


def batch(withheld=(0, 1, 2, 1), frames=9, size=16, first=0):
    """Smooth random clips; example ``first + i`` has the pixels of its index."""
    count = len(withheld)
    groups = 1 + (frames - 1) // 4
    clips = []
    for i in range(first, first + count):
        random = np.random.default_rng(i)
        t, y, x = np.ogrid[:frames, :size, :size]
        a, b, c = random.uniform(-0.5, 0.5, 3)
        waves = [np.sin(a * x + b * y + c * t + phase) for phase in (0, 1, 2)]
        clips.append(np.rint(127.5 + 100 * np.stack(waves, axis=-1)).astype(np.uint8))
    return Batch(
        video=np.stack(clips),
        observed=observed_groups(np.array(withheld), groups),
        index=np.arange(first, first + count, dtype=np.uint32),
        label=np.full(count, -1, np.int32),
    )


def params(module):
    import jax

    clip = np.zeros((1, 5, 16, 16, 3), np.float32)
    return jax.jit(module.init)(jax.random.key(1), clip)["params"]


def withheld_by(law, batch, step=0):
    """``batch`` with the masks that a :class:`Withholding` draws for it."""
    groups = batch.observed.shape[1]
    grid = (groups, *(side // 16 for side in batch.video.shape[2:4]))
    masks = [law.observed_at(0, step, int(i), grid) for i in batch.index]
    return batch.replace(observed=np.stack(masks))
