"""What stands in the place of withheld latents.

    z_pad = token (one learnable vector [c])  |  standard normal noise  |  0                (1)

None holds information about the input.  It lives in raw posterior space.
Reference: arXiv 2605.02134, section 3.1 (learnable tokens by default).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

KINDS = ("token", "gaussian", "zeros")


class Padding(nn.Module):
    """Equation (1).

    Attributes:
      channels: latent channels c.
      kind: "token", "gaussian" (the caller gives the noise) or "zeros".
    """

    channels: int
    kind: str = "token"

    @nn.compact
    def __call__(
        self, latents: jax.Array, observed: jax.Array, noise: jax.Array | None = None
    ) -> jax.Array:
        """Appends the missing latents and replaces the withheld ones.

        Args:
          latents: ``[B, G', h, w, c]`` with ``G' <= G``.
          observed: bool ``[B, G]``.
          noise: standard normal ``[B, G, h, w, c]``, for "gaussian" only.

        Returns:
          float32 ``[B, G, h, w, c]``.

        Raises:
          ValueError: more latents than groups, or noise that is missing.
        """
        latents = latents.astype(jnp.float32)
        b, given, h, w, c = latents.shape
        groups = observed.shape[1]
        if given > groups:
            raise ValueError(f"{given} latents for {groups} groups: cut to the first {groups}.")
        fill = self._fill((b, groups, h, w, c), noise)
        latents = jnp.concatenate([latents, fill[:, given:]], axis=1)
        return jnp.where(observed[:, :, None, None, None], latents, fill)

    def _fill(self, shape: tuple[int, ...], noise: jax.Array | None) -> jax.Array:
        if self.kind == "token":
            token = self.param("token", nn.initializers.normal(0.02), (self.channels,))
            return jnp.broadcast_to(token.reshape(1, 1, 1, 1, -1), shape)
        if self.kind == "zeros":
            return jnp.zeros(shape)
        if self.kind != "gaussian":
            raise ValueError(f"padding is one of {', '.join(KINDS)}; got {self.kind!r}.")
        if noise is None or noise.shape != shape:
            got = None if noise is None else noise.shape
            raise ValueError(f"gaussian padding wants noise of shape {shape}, got {got}.")
        return noise.astype(jnp.float32)
