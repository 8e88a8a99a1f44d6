"""The convolutions of VGG16, five levels of features.

    x -> [ReLU(conv 3x3)] x n -> f_1 -> max 2x2 -> [ReLU(conv 3x3)] x n -> f_2 -> ... -> f_5

Reference: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015, configuration D.
"""

import jax
from flax import linen as nn

from pv_vae_jax.pretrained import convolution

LEVELS = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
LEAST = 16  # rows and columns that leave one at level 5
# Our name of a convolution to its number among torchvision's ``features``.
TORCHVISION = {
    name: 2 * i + level
    for i, (level, name) in enumerate(
        (level, f"conv{level + 1}_{j + 1}")
        for level, widths in enumerate(LEVELS)
        for j in range(len(widths))
    )
}


class VGG16(nn.Module):
    """ImageNet-normalised images ``[N, H, W, 3]`` to five maps ``[N, H / 2^l, W / 2^l, C_l]``."""

    least = LEAST
    channels = tuple(widths[-1] for widths in LEVELS)

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, ...]:
        """The features after the last ReLU of each level."""
        features = []
        for level, widths in enumerate(LEVELS):
            if level:
                x = nn.max_pool(x, (2, 2), (2, 2))
            for i, width in enumerate(widths):
                name = f"conv{level + 1}_{i + 1}"
                conv = nn.Conv(
                    width, (3, 3), padding=1, conv_general_dilated=convolution.convolve, name=name
                )
                x = nn.relu(conv(x))
            features.append(x)
        return tuple(features)
