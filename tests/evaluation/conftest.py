import numpy as np
import pytest

from pv_vae_jax.zoo import registry
from tests import tiny


@pytest.fixture(scope="session")
def vae():
    """The tiny model with few channels and no blocks but the middle ones, fresh weights."""
    return registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW)


@pytest.fixture(scope="session")
def video():
    """A smooth clip that moves, uint8 [9, 20, 24, 3]: no valid size of the model (16)."""
    t, y, x = np.ogrid[:9, :20, :24]
    waves = [np.sin(0.35 * x + 0.2 * y * k + 0.7 * t) for k in (0, 1, 2)]
    return np.rint(127.5 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)
