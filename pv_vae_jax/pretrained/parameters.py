"""The parameters that a network has, by shape; nothing is allocated."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from pv_vae_jax.core import trees


def shapes(network: nn.Module, *size: int) -> dict[str, tuple[int, ...]]:
    """Path to shape, of a network that is shown one frame or clip ``[1, *size, 3]``."""

    def init():
        return network.init(jax.random.key(0), jnp.zeros((1, *size, 3)))

    params = trees.flatten(jax.eval_shape(init)["params"])
    return {path: leaf.shape for path, leaf in params.items()}
