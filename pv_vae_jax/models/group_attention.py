"""Attention between the groups of a clip: causal, and windowed in time.

    y_g = W_o attend(q_g, [k_g, k_{g-1}, ..., k_{g-w+1}], [v_g, v_{g-1}, ..., v_{g-w+1}])   (1)
    q, k, v = W_qkv x,   q and k normed in each head, then turned by (group, row, column)   (2)

A group is the h w tokens of one latent step; each of them sees its own group and the w - 1 before.
In (2) a third of a head's channels, in pairs, is turned by the row, a third by the column, the rest
by the group; only differences of places count, so groups are numbered back from the one that asks,
and no number grows with the clip.  (1) has the newest group first: what would stand before the clip
comes last, so that a length leaves it out.

In a stream keys and values of the last w - 1 groups, not yet turned, are in the ``cache``
collection.  With ``causal = False`` a group sees the w - 1 groups on either side; such a layer has
no stream.  The outputs of ``W_qkv`` are sorted by head, then by q, k, v: a split of its columns is
a split of the heads.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.layers.causal_conv import is_streaming
from pv_vae_jax.layers.multi_head import attend, dense
from pv_vae_jax.layers.rotary import frequencies, turned


def turns(groups: np.ndarray, rows: int, columns: int, channels: int) -> tuple[jax.Array, ...]:
    """Cosines and sines of the angles by which the tokens of some groups are turned.

    Args:
      groups: ``[N, J]``, J groups as seen by each of N.
      rows: of a group.
      columns: likewise.
      channels: of a head, even and at least 6.

    Returns:
      Two of ``[1, N, J, rows * columns, 1, channels / 2]``.
    """
    side = 2 * (channels // 6)
    places = (
        groups.reshape(*groups.shape, 1, 1, 1),
        np.arange(rows).reshape(1, 1, -1, 1, 1),
        np.arange(columns).reshape(1, 1, 1, -1, 1),
    )
    shares = channels - 2 * side, side, side
    angles = [
        (place * frequencies(share).reshape(1, 1, 1, 1, -1)).astype(np.float32)
        for place, share in zip(places, shares, strict=True)
    ]

    def whole(parts: Sequence[np.ndarray]) -> jax.Array:
        form = (*groups.shape, rows, columns)
        parts = [jnp.broadcast_to(part, (*form, part.shape[-1])) for part in parts]
        return jnp.concatenate(parts, -1).reshape(1, *groups.shape, rows * columns, 1, -1)

    return whole([np.cos(angle) for angle in angles]), whole([np.sin(angle) for angle in angles])


def neighbours(groups: int, window: int) -> list[range]:
    """The groups that each of so many sees, itself and ``window - 1`` on either side."""
    return [range(max(0, g - window + 1), min(groups, g + window)) for g in range(groups)]


class GroupAttention(nn.Module):
    """Equations (1) and (2).

    Attributes:
      heads: of equal width.
      window: w, groups that a token sees, its own included.
      causal: no group sees a later one.
      qk_norm: whether queries and keys are normed, a learned scale for each channel of a head.
      dtype: compute type, "float32" or "bfloat16".
      out_init: of ``W_o``; None for Xavier uniform.
    """

    heads: int
    window: int
    causal: bool = True
    qk_norm: bool = True
    dtype: str = "float32"
    out_init: Callable | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, G, h, w, C]`` to the same shape."""
        b, groups, h, w, c = x.shape
        head = c // self.heads
        qkv = dense(3 * c, self.dtype, "qkv")(x).reshape(b, groups, h * w, self.heads, 3, head)
        q, k, v = (qkv[..., i, :] for i in range(3))
        if self.qk_norm:
            q, k = (RMSNorm(self.dtype, name=f"norm_{n}")(y) for n, y in (("q", q), ("k", k)))
        k, v, places, counts = self._past(k, v) if self.causal else self._around(k, v)
        q = turned(q[:, :, None], *turns(np.zeros((1, 1)), h, w, head))
        k = turned(k, *turns(places, h, w, head))
        lengths = jnp.broadcast_to((counts * h * w).reshape(1, -1), (b, groups)).reshape(-1)
        q, k, v = (y.reshape(b * groups, -1, self.heads, head) for y in (q, k, v))
        return dense(c, self.dtype, "out", self.out_init)(attend(q, k, v, lengths).reshape(x.shape))

    def _past(self, k: jax.Array, v: jax.Array):
        """Keys and values ``[B, G, w, h w, heads, d]`` of the groups that each group sees.

        Returns:
          (keys, values, their groups from the one that asks, how many of them there are ``[G]``).
        """
        streams = is_streaming(self)
        groups = k.shape[1]
        window = self.window if streams else min(self.window, groups)
        seen = jnp.zeros((), jnp.int32)  # groups before, as far as they count
        if self.has_variable("cache", "groups"):
            seen = self.get_variable("cache", "groups")
        k, v = (self._windows(name, y, window) for name, y in (("keys", k), ("values", v)))
        if streams:
            self.put_variable("cache", "groups", jnp.minimum(seen + groups, window - 1))
        counts = jnp.minimum(seen + jnp.arange(1, groups + 1, dtype=jnp.int32), window)
        return k, v, -np.arange(window).reshape(1, -1), counts

    def _windows(self, name: str, x: jax.Array, window: int) -> jax.Array:
        """``[B, G, ...]`` to ``[B, G, w, ...]``, each group and those before it, newest first."""
        groups, before = x.shape[1], window - 1
        kept = jnp.zeros((x.shape[0], before, *x.shape[2:]), x.dtype)
        if self.has_variable("cache", name):
            kept = self.get_variable("cache", name)
        x = jnp.concatenate([kept, x], axis=1)
        if is_streaming(self):
            self.put_variable("cache", name, x[:, groups:])
        return jnp.stack([x[:, before - j : before - j + groups] for j in range(window)], axis=2)

    def _around(self, k: jax.Array, v: jax.Array):
        """As :meth:`_past`, for groups that see both sides; those that are missing come last."""
        if is_streaming(self):
            raise ValueError("attention that sees later groups cannot run in a stream.")
        seen = neighbours(k.shape[1], self.window)
        counts = np.array([len(those) for those in seen], np.int32)
        most = int(counts.max())

        def windows(x: jax.Array) -> jax.Array:
            behind = [(0, 0)] * (x.ndim - 2)
            return jnp.stack([
                jnp.pad(x[:, those.start : those.stop], [(0, 0), (0, most - len(those)), *behind])
                for those in seen
            ], axis=1)  # fmt: skip

        places = np.array(
            [[those.start - g + j for j in range(most)] for g, those in enumerate(seen)]
        )
        return windows(k), windows(v), places, jnp.asarray(counts)
