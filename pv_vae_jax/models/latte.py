"""Latte: a Transformer over the latents of a clip, its blocks in turn over space and over time.

    condition = time embedding(1000 t) + label embedding                                    (1)
    x_0 = W_in patches(z) + place in the frame                                              (2)
    x_i = block_i(x_{i-1}, condition),     i = 1 .. depth, odd over space, even over time   (3)
    x_1 = x_1 + place in time,             before the first block over time                 (4)
    velocity = patches^-1(W_out ((1 + m) norm(x_depth) + s)),   s, m = W_c SiLU(condition)   (5)

The network of a rectified flow: its output has the channels of its input.  ``W_out`` begins at
zero, so a fresh network says 0.  Its parameters do not depend on G, h, w, since places are
computed.  The public Latte takes diffusion steps 0 .. 999; the time t in [0, 1] here is its step
1000 t.

    remat    kept of each block for the backward pass
    "none"   everything
    "block"  its input; the block is computed again

``scan`` runs all blocks but the first two as one loop over pairs (loop.py).
References: Latte (arXiv 2401.03048; github.com/Vchitect/Latte); without patches (patch 1) as in
arXiv 2605.02134, section 4.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.layers.multi_head import dense
from pv_vae_jax.layers.resample import shuffle, unshuffle
from pv_vae_jax.models import latte_positions, loop
from pv_vae_jax.models.latte_blocks import AXES, Block, modulated_norm, modulation

REMATS = ("none", "block")
STEPS, FREQUENCIES = 1000.0, 128

Features = dict[int, jax.Array]


class TimeEmbedding(nn.Module):
    """``W SiLU(W' [cos(1000 t f), sin(1000 t f)])``, 128 frequencies f from 1 to almost 1/10000."""

    width: int

    @nn.compact
    def __call__(self, time: jax.Array) -> jax.Array:
        """``[B]`` in [0, 1] to float32 ``[B, width]``."""
        f = jnp.exp(-math.log(10000) * jnp.arange(FREQUENCIES, dtype=jnp.float32) / FREQUENCIES)
        phases = (STEPS * time.astype(jnp.float32)).reshape(-1, 1) * f.reshape(1, -1)
        x = jnp.concatenate([jnp.cos(phases), jnp.sin(phases)], axis=-1)
        small = nn.initializers.normal(0.02)
        x = nn.silu(dense(self.width, "float32", "hidden", small)(x))
        return dense(self.width, "float32", "out", small)(x)


class Final(nn.Module):
    """Equation (5) without the patches, in float32."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, condition: jax.Array) -> jax.Array:
        """Tokens ``[B, G, h, w, C]`` to float32 ``[B, G, h, w, features]``."""
        x = modulated_norm(x, *modulation(condition, 2, "float32"))
        return dense(self.features, "float32", "out", nn.initializers.zeros)(x)


class Latte(nn.Module):
    """Equations (1) to (5).

    Attributes:
      channels: c of the latents.
      width: of the tokens.
      depth: blocks in all, an even number.
      heads: of each attention.
      patch: rows and columns of latents in a token.
      mlp_ratio: width of the hidden layers to ``width``.
      classes: 0 for a network without labels; otherwise the label ``classes`` is the null class,
        what a dropped label becomes and what guidance calls unconditional.
      positions: "sincos", (2) and (4), or "rotary", in every attention instead.
      qk_norm: whether queries and keys are normed.
      dtype: compute type, "float32" or "bfloat16"; time embedding and (5) are in float32.
      remat: see the table above.
      scan: whether the blocks are a loop, where no features are asked for.
    """

    channels: int
    width: int
    depth: int
    heads: int
    patch: int = 1
    mlp_ratio: float = 4
    classes: int = 0
    positions: str = "sincos"
    qk_norm: bool = False
    dtype: str = "float32"
    remat: str = "none"
    scan: bool = False

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        time: jax.Array,
        label: jax.Array | None = None,
        features: tuple[int, ...] = (),
    ) -> jax.Array | tuple[jax.Array, Features]:
        """The velocity at ``x``.

        Args:
          x: ``[B, G, h, w, c]``; h and w divide by ``patch``.
          time: ``[B]`` in [0, 1].
          label: int ``[B]`` in [0, classes], or below 0 for none, which is the null class as well;
            None without classes.  A label above ``classes`` gives NaN.
          features: layers i of (3) whose results are asked for, 1 to ``depth``; static.

        Returns:
          Velocity, float32 ``[B, G, h, w, c]``; with ``features`` also their dict, layer to
          ``[B, G, h / patch, w / patch, width]`` of the compute type.

        Raises:
          ValueError: a shape, the labels or a layer does not fit; the message has the numbers.
        """
        self._check(x.shape, time.shape, None if label is None else label.shape, features)
        condition = TimeEmbedding(self.width, name="time_embedding")(time)
        if self.classes:
            embedding = nn.Embed(
                self.classes + 1,
                self.width,
                embedding_init=nn.initializers.normal(0.02),
                name="label_embedding",
            )
            condition = condition + embedding(jnp.where(label < 0, self.classes, label))
        x = dense(self.width, self.dtype, "patches")(unshuffle(x, self.patch))
        if self.positions == "sincos":
            place = latte_positions.space(*x.shape[2:4], self.width)
            x = x + place.astype(x.dtype)
        x, kept = self._blocks(x, condition, features)
        velocity = Final(self.patch**2 * self.channels, name="final")(x, condition)
        velocity = shuffle(velocity, self.patch)
        return (velocity, kept) if features else velocity

    def _blocks(self, x: jax.Array, condition: jax.Array, features: tuple[int, ...]):
        """(x_depth, the layers asked for) of (3) and (4)."""
        loops = self.scan and not features and self.depth > 2 and loop.possible(self)
        kept = {}
        for i in range(2 if loops else self.depth):
            x = self._block(i, name=f"block_{i}")(x, condition)
            if i + 1 in features:
                kept[i + 1] = x
            if i == 0 and self.positions == "sincos":
                x = x + latte_positions.time(x.shape[1], self.width).astype(x.dtype)
        if loops:
            pair = [self._block(i, in_loop=True, parent=None) for i in range(2)]
            x = loop.run(self, pair, [f"block_{i}" for i in range(2, self.depth)], x, condition)
        return x, kept

    def _block(self, i: int, in_loop: bool = False, **kwargs: Any) -> Block:
        block = Block
        if self.remat == "block":
            block = loop.rematerialised(Block, in_loop)
        rotary = self.positions == "rotary"
        form = AXES[i % 2], self.heads, rotary, self.qk_norm, self.dtype, self.mlp_ratio
        return block(*form, **kwargs)

    def _check(self, shape, times, labels, features) -> None:
        if len(shape) != 5 or shape[-1] != self.channels:
            raise ValueError(
                f"latents are [B, G, h, w, {self.channels}]; got {'x'.join(map(str, shape))}."
            )
        if shape[2] % self.patch or shape[3] % self.patch:
            raise ValueError(
                f"latents of {shape[2]} rows and {shape[3]} columns do not divide into patches of "
                f"{self.patch} x {self.patch}."
            )
        if times != shape[:1]:
            raise ValueError(f"{shape[0]} clips have {shape[0]} times; got the shape {times}.")
        if self.classes and labels != shape[:1]:
            raise ValueError(
                f"{shape[0]} clips have {shape[0]} labels, 0 to {self.classes}, of which "
                f"{self.classes} stands for none; got {labels and f'the shape {labels}'}."
            )
        if not self.classes and labels is not None:
            raise ValueError("this Latte knows no classes (classes = 0), but got labels.")
        wrong = [layer for layer in features if not 1 <= layer <= self.depth]
        if wrong:
            raise ValueError(f"the layers are 1 to {self.depth}; got {wrong[0]}.")
