"""What one update sees: uint8 pixels and what of them is observed, or latents; and of whom."""

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


@flax.struct.dataclass
class LatentBatch:
    """A batch of posteriors as they were kept (data/latents.py): raw, not normalised.

    Attributes:
      mean: ``[B, G, h, w, c]``, float16 or bfloat16.
      logvar: the same of the log-variance.
      index: uint32 ``[B]``, the global example index (modulo 2**32).
      label: int32 ``[B]``, the class, or -1 for none.
    """

    mean: Array
    logvar: Array
    index: Array
    label: Array
