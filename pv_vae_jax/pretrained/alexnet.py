"""The convolutions of AlexNet in its one-column form, five levels of features.

    x -> ReLU(conv 11x11 / 4) = f_1 -> max 3x3 / 2 -> ReLU(conv 5x5) = f_2 -> max 3x3 / 2
      -> ReLU(conv 3x3) = f_3 -> ReLU(conv 3x3) = f_4 -> ReLU(conv 3x3) = f_5

Reference: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
"""

import jax
from flax import linen as nn

from pv_vae_jax.pretrained import convolution

# Width, kernel, stride, padding, and whether a maximum over 3x3 comes before it.
LEVELS = (
    (64, 11, 4, 2, False),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, True),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, False),
)
LEAST = 31  # rows and columns that leave one at level 5
# Our name of a convolution to its number among torchvision's ``features``.
TORCHVISION = {"conv1": 0, "conv2": 3, "conv3": 6, "conv4": 8, "conv5": 10}


class AlexNet(nn.Module):
    """ImageNet-normalised images ``[N, H, W, 3]`` to five maps ``[N, h_l, w_l, C_l]``."""

    least = LEAST
    channels = tuple(level[0] for level in LEVELS)

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, ...]:
        """The features after each ReLU."""
        features = []
        for number, (width, kernel, stride, padding, pooled) in enumerate(LEVELS, start=1):
            if pooled:
                x = nn.max_pool(x, (3, 3), (2, 2))
            conv = nn.Conv(
                width,
                (kernel,) * 2,
                stride,
                padding,
                conv_general_dilated=convolution.convolve,
                name=f"conv{number}",
            )
            x = nn.relu(conv(x))
            features.append(x)
        return tuple(features)
