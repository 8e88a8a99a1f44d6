"""The smallest PV-VAE that has every part, for tests: 8 widths, 4 latent channels, patch 4."""

import numpy as np

from pv_vae_jax.data.batch import Batch
from pv_vae_jax.models import sizes
from pv_vae_jax.withholding import observed_groups

FIELDS = {
    "channels": 4,
    "head": "norm",
    "widths": (8, 8, 8),
    "encoder_blocks": (0, 0, 1),
    "decoder_blocks": (0, 0, 1),
}
SHALLOW = FIELDS | {"encoder_blocks": (0, 0, 0), "decoder_blocks": (0, 0, 0)}


def module(**overrides):
    return sizes.build("pv_vae_tiny", **(FIELDS | overrides))


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
