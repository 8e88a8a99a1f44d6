"""I3D: Inception-v1 inflated to time and space, its batch norms folded into the convolutions.

    stem       conv 7x7x7 / 2 -> max 1x3x3 / 1,2,2 -> conv 1x1x1 -> conv 3x3x3 -> max 1x3x3 / 1,2,2
    block      [a, b, c] = enter(x),   enter a convolution 1x1x1                            (1)
               y = [a, conv 3x3x3 (b), conv 3x3x3 (c), conv 1x1x1 (max 3x3x3 (x))]          (2)
    network    stem, 2 blocks, max 3x3x3 / 2, 5 blocks, max 2x2x2 / 2, 2 blocks
    logits     mean over t of (W mean_{t, t+1, h, w} x + b), the mean first                 (3)

Every convolution but that of (3) ends in a ReLU; convolutions and maxima have TensorFlow's SAME
padding (space_time.py); ports to PyTorch that pad maxima by a fixed amount (hassony2's) pool other
frames where their number is odd, as 9 of 17 are.  In (1) the three convolutions that read the same
input are one.
Reference: Carreira and Zisserman, "Quo vadis, action recognition? A new model and the Kinetics
dataset", CVPR 2017.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from pv_vae_jax.pretrained import space_time

SIDE = 224  # rows and columns of the input
LEAST_FRAMES = 9  # that leave two for (3)
# Name of a block to its widths: a, (between and after the 3x3x3 of b), (of c), of the maximum.
BLOCKS = (
    ("mixed_3b", (64, 96, 128, 16, 32, 32)),
    ("mixed_3c", (128, 128, 192, 32, 96, 64)),
    ("mixed_4b", (192, 96, 208, 16, 48, 64)),
    ("mixed_4c", (160, 112, 224, 24, 64, 64)),
    ("mixed_4d", (128, 128, 256, 24, 64, 64)),
    ("mixed_4e", (112, 144, 288, 32, 64, 64)),
    ("mixed_4f", (256, 160, 320, 32, 128, 128)),
    ("mixed_5b", (256, 160, 320, 32, 128, 128)),
    ("mixed_5c", (384, 192, 384, 48, 128, 128)),
)
POOLS = {"mixed_4b": (3, 3, 3), "mixed_5b": (2, 2, 2)}  # the maximum before a block


class Unit(nn.Module):
    """A convolution and its ReLU: ``[B, T, H, W, C]`` to ``[B, ceil(T / s), ..., width]``."""

    width: int
    size: int = 1
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The features."""
        shape = (self.size, self.size, self.size, x.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        return space_time.convolve(x, kernel, bias, self.stride)


class Block(nn.Module):
    """Equations (1) and (2)."""

    widths: tuple[int, int, int, int, int, int]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to the sum of four widths."""
        a, b, b_out, c, c_out, pooled = self.widths
        entered = Unit(a + b + c, name="enter")(x)
        most = space_time.max_pool(x, (3, 3, 3), (1, 1, 1))
        return jnp.concatenate(
            [
                entered[..., :a],
                Unit(b_out, 3, name="b")(entered[..., a : a + b]),
                Unit(c_out, 3, name="c")(entered[..., a + b :]),
                Unit(pooled, name="pooled")(most),
            ],
            axis=-1,
        )


class I3D(nn.Module):
    """Clips ``[B, T, 224, 224, 3]`` in [-1, 1], T >= 9, to logits ``[B, classes]``.

    Attributes:
      classes: of the data set that it was trained on.
      stem: widths of the three convolutions of the stem.
      blocks: name and widths of each block.
    """

    classes: int = 400
    stem: tuple[int, int, int] = (64, 64, 192)
    blocks: tuple[tuple[str, tuple[int, ...]], ...] = BLOCKS

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Equation (3)."""
        x = Unit(self.stem[0], 7, 2, name="conv_1a")(x)
        x = space_time.max_pool(x, (1, 3, 3), (1, 2, 2))
        x = Unit(self.stem[1], name="conv_2b")(x)
        x = Unit(self.stem[2], 3, name="conv_2c")(x)
        x = space_time.max_pool(x, (1, 3, 3), (1, 2, 2))
        for name, widths in self.blocks:
            if name in POOLS:
                x = space_time.max_pool(x, POOLS[name], (2, 2, 2))
            x = Block(widths, name=name)(x)
        means = jnp.mean(x, axis=(2, 3))  # the window of 7x7 is the whole map
        means = (means[:, :-1] + means[:, 1:]) / 2
        head = nn.Dense(self.classes, precision=jax.lax.Precision.HIGHEST, name="logits")
        return head(jnp.mean(means, axis=1))
