"""The causal convolution layer: what stands before the clip, and the cache of a stream.

    y = b + causal_conv3d(history + x),      history = kt - 1 frames before the first       (1)

History is copies of frame 0 (``replicate``) or zeros; in a stream, after the first chunk, it is the
last ``kt - st`` frames that the layer has seen.  With a time stride of 2 the outputs are those of
frames 0, 2, 4, ...: frame 0 stays alone, 1 + 2n frames become 1 + n, later chunks of 2n become n.

    W[tap] ~ N(0, a[tap]^2 / (C sum a^2)),   a = 1 on the taps of the output's own stride window,
                                             a = FAR on the others (or 1 where ``spread``)  (2)

so that a fresh model sees each place by itself and learns its surroundings; with all taps alike the
first thousand steps are spent on undoing the mixture (docs/choices.md).

With ``causal = False`` an output sees as much future as past: (kt - 1) / 2 frames a side, copies of
the first and of the last frame (or zeros) around the clip.  Such a layer has no stream.

The cache is a Linen collection: the first chunk is the one for which it is still empty, and where
the collection is not mutable nothing is kept and nothing costs.
"""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core.precision import compute_dtype, with_bias
from pv_vae_jax.layers.convolution import causal_conv3d, padding

TIME_PADDINGS = ("replicate", "zeros")
FAR = 1 / 16


@functools.partial(jax.jit, static_argnums=1)
def _normal(key: jax.Array, count: int) -> jax.Array:
    return jax.random.normal(key, (count,))


def initial_kernel(
    key: jax.Array,
    shape: tuple[int, ...],
    strides: tuple[int, int],
    spread: bool,
    causal: bool = True,
) -> jax.Array:
    """Equation (2), float32 ``[kt, kh, kw, C, O]``.

    Drawn flat in powers of two: few distinct programs, so that ``init`` compiles five times faster.
    """
    count = math.prod(shape)
    drawn = _normal(key, 1 << (count - 1).bit_length())[:count].reshape(shape)
    taps = np.ones(shape[:3], np.float32)
    if not spread:
        taps *= FAR
        before = [(side - strides[1]) // 2 for side in shape[1:3]]
        own = [slice(first, first + strides[1]) for first in before]
        last = shape[0] if causal else (shape[0] + strides[0]) // 2
        taps[last - strides[0] : last, own[0], own[1]] = 1.0
    return drawn * (taps / math.sqrt(shape[3] * float((taps**2).sum())))[..., None, None]


def _zeros_like(x: jax.Array) -> jax.Array:
    """Zeros that the compiler takes for data: folded, they would round an image otherwise."""
    return jax.lax.optimization_barrier(jnp.zeros_like(x))


def is_streaming(module: nn.Module) -> bool:
    """Whether ``module`` is to keep what the next chunk needs."""
    return module.is_mutable_collection("cache") and not module.is_initializing()


def begins(module: nn.Module) -> bool:
    """Whether what ``module`` is called with begins with frame 0: it saw no chunk before.

    Asked once in a call; a stream then remembers that it has begun.
    """
    first = not module.has_variable("cache", "started")
    if is_streaming(module):
        module.put_variable("cache", "started", jnp.ones((), jnp.bool_))
    return first


class CausalConv3D(nn.Module):
    """Equation (1).

    Attributes:
      features: output channels.
      kernel: ``(kt, kh, kw)``, ``kt`` at least the time stride, ``kh`` and ``kw`` odd.
      strides: ``(st, ss)``, time and space, each 1 or 2.
      time_padding: "replicate" or "zeros".
      dtype: compute type, "float32" or "bfloat16"; the parameters are float32.
      spread: fresh kernels weigh all taps alike; after nearest-neighbour upsampling, where only
        the other taps tell the places of a block apart.
      causal: no output sees a later frame; False for as much future as past.
    """

    features: int
    kernel: tuple[int, int, int] = (3, 3, 3)
    strides: tuple[int, int] = (1, 1)
    time_padding: str = "replicate"
    dtype: str = "float32"
    spread: bool = False
    causal: bool = True

    @property
    def rows_around(self) -> tuple[int, int]:
        """How many rows an output reads above and below those that it stands for."""
        return padding(self.kernel[1], self.strides[1])

    @nn.compact
    def __call__(self, x: jax.Array, bordered: bool = False) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T', H / ss, W / ss, features]``, of the compute type.

        ``bordered``: ``x`` has the :attr:`rows_around` as well, which are zeros otherwise.

        Raises:
          ValueError: a time padding, kernel or stride that does not exist.
        """
        self._check()
        dtype = compute_dtype(self.dtype)
        shape = (*self.kernel, x.shape[-1], self.features)
        w = self.param("kernel", initial_kernel, shape, self.strides, self.spread, self.causal)
        b = self.param("bias", nn.initializers.zeros, (self.features,))
        x = self._with_history(x.astype(dtype))
        y = causal_conv3d(x, w.astype(dtype), self.strides, bordered)
        return with_bias(y, b)

    def _with_history(self, x: jax.Array) -> jax.Array:
        if not self.causal:
            return self._with_both_sides(x)
        if self.has_variable("cache", "frames"):
            x = jnp.concatenate([self.get_variable("cache", "frames"), x], axis=1)
        elif self.kernel[0] > 1:
            before = x[:, :1] if self.time_padding == "replicate" else _zeros_like(x[:, :1])
            x = jnp.concatenate([before] * (self.kernel[0] - 1) + [x], axis=1)
        kept = self.kernel[0] - self.strides[0]
        if kept > 0 and is_streaming(self):
            self.put_variable("cache", "frames", x[:, -kept:])
        return x

    def _with_both_sides(self, x: jax.Array) -> jax.Array:
        if is_streaming(self):
            raise ValueError("a convolution that sees later frames cannot run in a stream.")
        ends = x[:, :1], x[:, -1:]
        if self.time_padding == "zeros":
            ends = tuple(map(_zeros_like, ends))
        side = (self.kernel[0] - 1) // 2
        return jnp.concatenate([ends[0]] * side + [x] + [ends[1]] * side, axis=1)

    def _check(self) -> None:
        if self.time_padding not in TIME_PADDINGS:
            raise ValueError(
                f"time_padding is one of {', '.join(TIME_PADDINGS)}; got {self.time_padding!r}."
            )
        if not set(self.strides) <= {1, 2} or self.kernel[0] < self.strides[0]:
            raise ValueError(
                "strides (time, space) are 1 or 2 and the kernel spans the time stride; "
                f"got strides {self.strides} with kernel {self.kernel}."
            )
        if not self.causal and (self.strides[0] > 1 or self.kernel[0] % 2 == 0):
            raise ValueError(
                "a convolution that sees as much future as past has a time stride of 1 and an odd "
                f"kernel; got strides {self.strides} with kernel {self.kernel}."
            )
        if not all(side % 2 for side in self.kernel[1:]):
            raise ValueError(f"kernel sides are odd in space, got the kernel {self.kernel}.")
