"""Transformer blocks in a row, over the groups of a clip.

    x = x + attention(norm(x))          over groups, causal and windowed (group_attention.py)  (1)
    x = x + W_out GELU(W_in norm(x))                                                           (2)

What (1) and (2) add is small at first, by sqrt(2 depth), so that all blocks together add as much as
there was (GPT-2).

    remat    kept of each block for the backward pass
    "none"   everything
    "block"  its input; the block is computed again

``scan`` runs the blocks as one loop (loop.py).
"""

from typing import Any

import flax.linen as nn
import jax

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.multi_head import dense
from pv_vae_jax.models import loop
from pv_vae_jax.models.group_attention import GroupAttention

REMATS = ("none", "block")


class Block(nn.Module):
    """Equations (1) and (2); the norm is that of each token (layers/blocks.py).

    Attributes:
      heads: as of :class:`GroupAttention`, like ``window``, ``causal``, ``qk_norm`` and ``dtype``.
      mlp_ratio: the width of the hidden layer of (2) to that of the block.
      depth: of the model, for the scale of fresh weights.
    """

    heads: int
    window: int
    causal: bool = True
    qk_norm: bool = True
    dtype: str = "float32"
    mlp_ratio: float = 4
    depth: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Tokens ``[B, G, h, w, C]`` to tokens of the same type."""
        small = nn.initializers.variance_scaling(0.5 / self.depth, "fan_avg", "uniform")
        form = self.heads, self.window, self.causal, self.qk_norm, self.dtype
        attention = GroupAttention(*form, out_init=small, name="attention")
        x = x + attention(RMSNorm(self.dtype, name="norm_attention")(x))
        width = x.shape[-1]
        y = RMSNorm(self.dtype, name="norm_mlp")(x)
        y = nn.gelu(dense(int(self.mlp_ratio * width), self.dtype, "mlp_in")(y), approximate=True)
        return x + dense(width, self.dtype, "mlp_out", small)(y)


class Blocks(nn.Module):
    """Blocks in a row; the attributes of :class:`Block`, and two more.

    Attributes:
      depth: how many blocks.
      remat: see the table above.
      scan: whether the blocks are a loop.
    """

    depth: int
    heads: int
    window: int
    causal: bool = True
    qk_norm: bool = True
    dtype: str = "float32"
    mlp_ratio: float = 4
    remat: str = "none"
    scan: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Tokens ``[B, G, h, w, C]`` to tokens of the same type."""
        names = [f"block_{i}" for i in range(self.depth)]
        if self.scan and self.depth > 1 and loop.possible(self):
            return loop.run(self, [self._block(in_loop=True, parent=None)], names, x)
        for name in names:
            x = self._block(name=name)(x)
        return x

    def _block(self, in_loop: bool = False, **kwargs: Any) -> Block:
        block = Block
        if self.remat == "block":
            block = loop.rematerialised(Block, in_loop)
        form = self.heads, self.window, self.causal, self.qk_norm, self.dtype, self.mlp_ratio
        form = *form, self.depth
        return block(*form, **kwargs)
