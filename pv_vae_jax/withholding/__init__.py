"""What the encoder does not see: the law of k, and the masks."""

from pv_vae_jax.withholding.law import Withholding
from pv_vae_jax.withholding.masks import observed_frames, observed_groups, observed_pixels

__all__ = ["Withholding", "observed_frames", "observed_groups", "observed_pixels"]
