"""C3D: eight convolutions 3x3x3 with maxima between them, three full layers.

    conv1 | 1x2x2 | conv2 | 2x2x2 | conv3a conv3b | 2x2x2 | conv4a conv4b | 2x2x2 | conv5a conv5b
    | 2x2x2 | fc6 fc7 fc8                                                                   (1)

Every layer but the last ends in a ReLU; | is a maximum, its stride its window.  The last maximum
halves 7 rows and columns to 4, and there are two readings of that: Caffe, where C3D comes from, and
Chainer put the window without a partner at the far side, PyTorch's ports pad by one all around, so
that the pairs are others.  Weights belong to the reading that they were trained or converted in.
Reference: Tran et al., "Learning spatiotemporal features with 3D convolutional networks", ICCV
2015.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from pv_vae_jax.pretrained import space_time

FRAMES, SIDE = 16, 112
# Name and width of the convolutions between two maxima.
STAGES = (
    (("conv1", 64),),
    (("conv2", 128),),
    (("conv3a", 256), ("conv3b", 256)),
    (("conv4a", 512), ("conv4b", 512)),
    (("conv5a", 512), ("conv5b", 512)),
)


class Full(nn.Module):
    """``x W^T + b``; W lies as in PyTorch, ``[out, in]``, so that no copy of it is made."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, in]`` to ``[B, width]``."""
        weight = self.param("weight", nn.initializers.he_normal(0, 1), (self.width, x.shape[-1]))
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        y = jnp.einsum("bi,oi->bo", x, weight, precision=jax.lax.Precision.HIGHEST)
        return y + bias.reshape(1, -1)


class Convolution(nn.Module):
    """3x3x3 with zeros around, and its ReLU."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, width]``."""
        shape = (3, 3, 3, x.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        return space_time.convolve(x, kernel, bias)


class C3D(nn.Module):
    """Clips ``[B, 16, 112, 112, 3]``, BGR in [0, 255] less their mean, to logits ``[B, classes]``.

    Attributes:
      classes: of the data set that it was trained on.
      centred: the last maximum pads by one all around (PyTorch), not at the far side (Caffe).
      stages: name and width of the convolutions.
      full: width of fc6 and fc7.
    """

    classes: int = 101
    centred: bool = False
    stages: tuple[tuple[tuple[str, int], ...], ...] = STAGES
    full: int = 4096

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Equation (1)."""
        for number, stage in enumerate(self.stages):
            for name, width in stage:
                x = Convolution(width, name=name)(x)
            window = (2 if number else 1, 2, 2)
            if number == len(self.stages) - 1:
                pads = ((1, 1) if self.centred else (0, 1),) * 2
                x = jnp.pad(x, [(0, 0), (0, 0), *pads, (0, 0)])  # after a ReLU 0 is no maximum
            x = space_time.max_pool(x, window, window, "VALID")
        x = jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1)  # channels first, as fc6 was trained
        for name in ("fc6", "fc7"):
            x = nn.relu(Full(self.full, name=name)(x))
        return Full(self.classes, name="fc8")(x)
