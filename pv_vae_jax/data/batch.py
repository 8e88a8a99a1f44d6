"""What one update sees: uint8 pixels, what of them is observed, which examples these are."""

import flax.struct
import jax
import numpy as np

Array = np.ndarray | jax.Array


@flax.struct.dataclass
class Batch:
    """A batch of clips; pixels stay uint8 until they are on the device.

    Attributes:
      video: uint8 ``[B, T, H, W, 3]``, RGB in [0, 255].
      observed: bool ``[B, G, h, w]``, False for withheld latents; ``[B, G, 1, 1]`` where whole
        groups are withheld.
      index: uint32 ``[B]``, the global example index (modulo 2**32).
      label: int32 ``[B]``, the class, or -1 where the source has none.
    """

    video: Array
    observed: Array
    index: Array
    label: Array
