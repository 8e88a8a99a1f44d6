"""Blocks of one shape as one loop over their stacked parameters; blocks that are computed again.

    x_{i+1} = block_{i mod n}(x_i, params_i),     i = 0, 1, ..., n blocks in turn             (1)

A loop is a program that is smaller and compiles faster, the same values, at the cost of a copy of
those parameters.  The parameters of a model have the same paths with and without it.  In a stream
(and in ``init``) blocks make or keep variables of their own, so they run one by one.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp


def possible(module: nn.Module) -> bool:
    """Whether the blocks of a module can be a loop in this call: no ``init``, no stream."""
    return not module.is_initializing() and not module.is_mutable_collection("cache")


def run(
    module: nn.Module, blocks: Sequence[nn.Module], names: Sequence[str], x: jax.Array,
    *others: jax.Array,
) -> jax.Array:  # fmt: skip
    """Equation (1) as one loop.

    Args:
      module: whose parameters ``names`` are.
      blocks: n blocks without a parent.
      names: those of all blocks in order, a multiple of n; every n-th has parameters of one shape.
      x: the input of the first; the output of each block has its shape and type.
      others: further inputs, the same for each block.
    """
    params, n = [module.get_variable("params", name) for name in names], len(blocks)
    stacked = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *params[i::n]) for i in range(n)]

    def step(x, params):
        for block, own in zip(blocks, params, strict=True):
            x = block.apply({"params": own}, x, *others)
        return x, None

    return jax.lax.scan(step, x, stacked)[0]


def rematerialised(
    block: type[nn.Module], in_loop: bool, policy: Callable | None = None
) -> type[nn.Module]:
    """The type of a block that is computed again in the backward pass, but for what is kept.

    Args:
      block: the type of the block.
      in_loop: whether it runs in a loop, which keeps apart by itself what is computed again.
      policy: what is kept besides its inputs, one of ``jax.checkpoint_policies``; None for nothing.
    """
    return nn.remat(block, policy=policy, prevent_cse=not in_loop)
