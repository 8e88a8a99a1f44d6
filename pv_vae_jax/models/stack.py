"""Residual blocks in a row, and what of them is kept for the backward pass.

    x_{i+1} = block_i(x_i)                                                                  (1)

    remat           kept of each block                     computed again
    "none"          everything                             nothing
    "convolutions"  its input, each convolution's output   norms and SiLU
    "block"         its input                              the block
    "layers"        its input                              the block, then each half of it by itself

``scan`` runs blocks of one shape as one loop over their stacked parameters: a program that is
smaller and compiles faster, the same values.  The parameters of a model have the same paths with
and without it.  In a stream (and in ``init``) the blocks run one by one.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.blocks import CONVOLUTION, ResidualBlock

REMATS = ("none", "convolutions", "block", "layers")
_SAVED = {"convolutions": jax.checkpoint_policies.save_only_these_names(CONVOLUTION)}


def residual_block(remat: str, *form, in_loop: bool = False, **kwargs) -> ResidualBlock:
    """A residual block, rematerialised as the table says; ``form`` are its attributes."""
    block = ResidualBlock
    if remat != "none":
        # A loop keeps apart by itself what is computed again.
        block = nn.remat(block, policy=_SAVED.get(remat), prevent_cse=not in_loop)
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
        if not self._loops() or len(names) - first < 2:
            first = len(names)
        for name in names[:first]:
            x = residual_block(self.remat, *form, name=name)(x)
        if names[first:]:
            block = residual_block(self.remat, *form, in_loop=True, parent=None)
            x = _loop(block, [self.get_variable("params", name) for name in names[first:]], x)
        return x

    def _loops(self) -> bool:
        return self.scan and not self.is_initializing() and not self.is_mutable_collection("cache")


def _loop(block: ResidualBlock, params: list, x: jax.Array) -> jax.Array:
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)
    return jax.lax.scan(lambda x, p: (block.apply({"params": p}, x), None), x, stacked)[0]
