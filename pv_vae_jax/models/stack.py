"""Residual blocks in a row, and what of them is kept for the backward pass.

    x_{i+1} = block_i(x_i)                                                                  (1)

    remat           kept of each block                     computed again
    "none"          everything                             nothing
    "convolutions"  its input, each convolution's output   norms and SiLU
    "block"         its input                              the block
    "layers"        its input                              the block, then each half of it by itself

``scan`` runs blocks of one shape as one loop (loop.py).
"""

import flax.linen as nn
import jax

from pv_vae_jax.layers.blocks import CONVOLUTION, ResidualBlock
from pv_vae_jax.models import loop

REMATS = ("none", "convolutions", "block", "layers")
_SAVED = {"convolutions": jax.checkpoint_policies.save_only_these_names(CONVOLUTION)}


def residual_block(remat: str, *form, in_loop: bool = False, **kwargs) -> ResidualBlock:
    """A residual block, rematerialised as the table says; ``form`` are its attributes."""
    block = ResidualBlock
    if remat != "none":
        block = loop.rematerialised(block, in_loop, _SAVED.get(remat))
    return block(*form, halves=remat == "layers", **kwargs)


class Stack(nn.Module):
    """Equation (1) with ``blocks`` residual blocks of one width.

    Attributes:
      features: channels of the blocks.
      blocks: how many.
      time_padding: "replicate" or "zeros".
      dtype: compute type, "float32" or "bfloat16".
      remat: see the table above.
      scan: whether blocks of one shape are a loop.
      causal: no frame depends on a later one.
    """

    features: int
    blocks: int
    time_padding: str
    dtype: str
    remat: str
    scan: bool = False
    causal: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, features]``."""
        form = self.features, self.time_padding, self.dtype, self.causal
        names = [f"block_{i}" for i in range(self.blocks)]
        first = 0 if x.shape[-1] == self.features else 1  # the first may change the width
        if not (self.scan and loop.possible(self)) or len(names) - first < 2:
            first = len(names)
        for name in names[:first]:
            x = residual_block(self.remat, *form, name=name)(x)
        if names[first:]:
            block = residual_block(self.remat, *form, in_loop=True, parent=None)
            x = loop.run(self, [block], names[first:], x)
        return x
