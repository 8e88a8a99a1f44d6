"""Layers of IV-VAE: two branches side by side on the channels, causal between groups of frames.

    x = [x_2d, x_3d]            half of the channels each: key frames, and what moves between them
    Sep_Conv   y_2d[t] = b_2d + V x[t]
               y_3d[t] = b_3d + W_0 x[t-1] + W_1 x[t] + (t + 1 in the group of t) W_2 x[t+1]     (1)
    norm       x_half / max(||x_half||_2, 1e-12) * sqrt(C / 2) * scale_half,   half by half      (2)
    attention  within a frame, half by half, each with weights of its own                        (3)

V and each W_i are convolutions in space that read *both* halves.  Frame 0 is a group of its own, so
it sees neither a past (x[-1] = x[0]) nor a future; the frames behind it form groups of 4, behind
the first downsampling in time of 2.  Thus (1) sees later frames of the same group and nothing of a
later group; of the group before it sees the last frame.

In (1) V, W_1 and W_0 are one wide convolution of each frame; W_0 x is shifted by one frame behind
it, and its last frame is what a stream keeps.  ``lead`` is the number of frames that stand alone at
the front of a chunk: 1 in the first chunk of a video, 0 in the later ones.

Reference: arXiv 2411.06449; the official implementation, github.com/ali-vilab/iv-vae.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pv_vae_jax.core.precision import compute_dtype
from pv_vae_jax.layers.attention import FrameAttention
from pv_vae_jax.layers.blocks import rms_normalised
from pv_vae_jax.layers.causal_conv import CausalConv3D, initial_kernel, is_streaming
from pv_vae_jax.layers.convolution import causal_conv3d
from pv_vae_jax.layers.resample import interleave, nearest

DILATIONS = (1, 3, 6, 9, 12)
SPACE = (1, 3, 3)
POINT = (1, 1, 1)


class Weights(nn.Module):
    """Kernel ``[kt, kh, kw, C, O]`` and bias ``[1, 1, 1, 1, O]`` of a convolution."""

    shape: tuple[int, ...]
    dtype: str = "float32"

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array]:
        """Both, of the compute type."""
        kernel = self.param("kernel", initial_kernel, self.shape, (1, 1), False, False)
        bias = self.param("bias", nn.initializers.zeros, self.shape[-1:])
        dtype = compute_dtype(self.dtype)
        return kernel.astype(dtype), bias.astype(dtype).reshape(1, 1, 1, 1, -1)


def _halves(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return tuple(jnp.split(x, 2, axis=-1))


def _join(x_2d: jax.Array, x_3d: jax.Array) -> jax.Array:
    return jnp.concatenate([x_2d, x_3d], axis=-1)


class SepConv(nn.Module):
    """Equation (1), 3 x 3 in space.

    Attributes:
      features: channels of each half of the result.
      group: frames of a group.
      lead: see above.
      dtype: compute type, "float32" or "bfloat16".
    """

    features: int
    group: int
    lead: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, lead + n group, H, W, C]`` to ``[..., 2 features]``."""
        form = x.shape[-1], self.features
        v, b_2d = Weights((*SPACE, *form), self.dtype, name="conv_2d")()
        w, b_3d = Weights((3, 3, 3, *form), self.dtype, name="conv_3d")()
        x = x.astype(v.dtype)
        wide = causal_conv3d(x, jnp.concatenate([v, w[1:2], w[:1]], axis=-1))
        y_2d, now, before = jnp.split(wide, 3, axis=-1)
        y_3d = now + self._one_later(before) + self._one_earlier(x, w[2:])
        return _join(y_2d + b_2d, y_3d + b_3d)

    def _one_later(self, before: jax.Array) -> jax.Array:
        first = before[:, :1] if self.lead else self.get_variable("cache", "before")
        if is_streaming(self):
            self.put_variable("cache", "before", before[:, -1:])
        return jnp.concatenate([first, before[:, :-1]], axis=1)

    def _one_earlier(self, x: jax.Array, w: jax.Array) -> jax.Array:
        """``W_2 x[t + 1]``; 0 for the last frame of each group, for which it is not computed."""
        b, t, *frame = x.shape
        count = (t - self.lead) // self.group
        if not count:
            return jnp.zeros((1, 1, 1, 1, 1), x.dtype)
        groups = x[:, self.lead :].reshape(b * count, self.group, *frame)
        ahead = causal_conv3d(groups[:, 1:], w)
        ahead = jnp.pad(ahead, [(0, 0), (0, 1), (0, 0), (0, 0), (0, 0)])
        ahead = ahead.reshape(b, t - self.lead, *ahead.shape[2:])
        return jnp.pad(ahead, [(0, 0), (self.lead, 0), (0, 0), (0, 0), (0, 0)])


class SepPoint(nn.Module):
    """Equation (1) with kernels of 1 x 1 x 1, so without W_0 and W_2; see :class:`SepConv`."""

    features: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[..., 2 features]``."""
        shape = (*POINT, x.shape[-1], self.features)
        w_2d, b_2d = Weights(shape, self.dtype, name="conv_2d")()
        w_3d, b_3d = Weights(shape, self.dtype, name="conv_3d")()
        return causal_conv3d(x.astype(w_2d.dtype), _join(w_2d, w_3d)) + _join(b_2d, b_3d)


class HalvesNorm(nn.Module):
    """Equation (2), reduced in float32."""

    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[..., C]`` to the same shape."""
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        y = rms_normalised(x.reshape(*x.shape[:-1], 2, -1))
        y = y * scale.reshape((1,) * (x.ndim - 1) + (2, -1))
        return y.reshape(x.shape).astype(compute_dtype(self.dtype))


class HalvesAttention(nn.Module):
    """Equation (3)."""

    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to the same shape."""
        x_2d, x_3d = _halves(x)
        x_2d = FrameAttention(self.dtype, name="attention_2d")(x_2d)
        return _join(x_2d, FrameAttention(self.dtype, name="attention_3d")(x_3d))


class ResidualBlock(nn.Module):
    """``shortcut(x) + conv(SiLU(norm(conv(SiLU(norm(x))))))``.

    Attributes:
      features: channels of each half of the result.
      group: frames of a group; 0 for convolutions within each frame (over both halves at once).
      lead: see above.
      dtype: compute type, "float32" or "bfloat16".
    """

    features: int
    group: int
    lead: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, 2 features]``."""
        y = x
        for i in range(2):
            y = nn.silu(HalvesNorm(self.dtype, name=f"norm_{i}")(y))
            if self.group:
                form = self.features, self.group, self.lead, self.dtype
                y = SepConv(*form, name=f"conv_{i}")(y)
            else:
                y = CausalConv3D(2 * self.features, SPACE, dtype=self.dtype, name=f"conv_{i}")(y)
        if x.shape[-1] == 2 * self.features:
            return x + y
        if self.group:
            return SepPoint(self.features, self.dtype, name="shortcut")(x) + y
        return CausalConv3D(2 * self.features, POINT, dtype=self.dtype, name="shortcut")(x) + y


class Downsample(nn.Module):
    """Half the height and width, and with ``time`` half the frames of each group.

    In time the 2D half keeps frames 0, 2, ... of a group, the 3D half is convolved two by two.
    """

    time: bool
    lead: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, lead + 2n, H, W, C]`` to ``[B, lead + n (or 2n), H / 2, W / 2, C]``."""
        x_2d, x_3d = _halves(x)
        c = x_2d.shape[-1]
        if self.time:
            x_2d = jnp.concatenate([x_2d[:, : self.lead], x_2d[:, self.lead :: 2]], axis=1)
        x_2d = CausalConv3D(c, SPACE, (1, 2), dtype=self.dtype, name="space_2d")(x_2d)
        x_3d = CausalConv3D(c, SPACE, (1, 2), dtype=self.dtype, name="space_3d")(x_3d)
        if self.time:
            w, b = Weights((2, 1, 1, c, c), self.dtype, name="time")()
            if x_3d.shape[1] > self.lead:
                rest = causal_conv3d(x_3d[:, self.lead :], w, (2, 1)) + b
                x_3d = jnp.concatenate([x_3d[:, : self.lead], rest], axis=1)
        return _join(x_2d, x_3d)


class Upsample(nn.Module):
    """Twice the height and width with half the channels, and with ``time`` twice the frames.

    In time, behind frame 0, the 2D half is repeated; of the 3D half a 1 x 1 x 1 convolution makes
    two frames, channels ``[first frame, second frame]``.
    """

    time: bool
    lead: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, lead + n, H, W, C]`` to ``[B, lead + 2n (or n), 2H, 2W, C / 2]``."""
        x_2d, x_3d = _halves(x)
        if self.time and x.shape[1] > self.lead:
            x_3d = self._twice_as_many(x_3d)
        x_2d, x_3d = self._wider(x_2d, "space_2d"), self._wider(x_3d, "space_3d")
        if self.time:
            x_2d = nearest(x_2d, 2, 1, first=bool(self.lead))
        return _join(x_2d, x_3d)

    def _twice_as_many(self, x: jax.Array) -> jax.Array:
        double = CausalConv3D(2 * x.shape[-1], POINT, dtype=self.dtype, name="time")
        rest = interleave(double(x[:, self.lead :]))
        return jnp.concatenate([x[:, : self.lead].astype(rest.dtype), rest], axis=1)

    def _wider(self, x: jax.Array, name: str) -> jax.Array:
        c = x.shape[-1]
        x = nearest(x, 1, 2, first=False)
        return CausalConv3D(c // 2, SPACE, dtype=self.dtype, spread=True, name=name)(x)


class PAC(nn.Module):
    """Pyramid of atrous convolutions: 1 x 1, and 3 x 3 with each of DILATIONS; then 1 x 1 of all.

    The results are joined branch by branch: all 2D halves, then all 3D halves.  All taps are one
    matrix product, whose results are shifted; taps that reach no position of the frame are left
    out.  ``features`` are the channels of each half of the result.
    """

    features: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, H, W, C]`` to ``[B, T, H, W, 2 features]``."""
        form = x.shape[-1], 2 * self.features
        taps, biases = [], []
        for d in (0, *DILATIONS):
            side = 3 if d else 1
            w, b = Weights((1, side, side, *form), self.dtype, name=f"pac_{d}")()
            places = [(i, j) for i in range(side) for j in range(side)]
            shifts = [(d * (i - side // 2), d * (j - side // 2)) for i, j in places]
            parts = [w[:, i : i + 1, j : j + 1] for i, j in places]
            taps.append([(*by, part) for by, part in zip(shifts, parts, strict=True)
                         if abs(by[0]) < x.shape[2] and abs(by[1]) < x.shape[3]])  # fmt: skip
            biases.append(b)
        kernel = jnp.concatenate([w for part in taps for *_, w in part], axis=-1)
        every = causal_conv3d(x.astype(kernel.dtype), kernel)
        results = iter(jnp.split(every, kernel.shape[-1] // form[1], axis=-1))
        branches = [
            sum((_shifted(next(results), *at) for *at, _ in part), start=b)
            for part, b in zip(taps, biases, strict=True)
        ]
        halves = zip(*map(_halves, branches), strict=True)
        joined = jnp.concatenate([part for half in halves for part in half], axis=-1)
        return CausalConv3D(2 * self.features, POINT, dtype=self.dtype, name="fuse")(joined)


def _shifted(x: jax.Array, rows: int, columns: int) -> jax.Array:
    """``y[h, w] = x[h + rows, w + columns]``, 0 outside of the frame."""
    pads = [(max(0, -by), max(0, by)) for by in (rows, columns)]
    x = jnp.pad(x, [(0, 0), (0, 0), *pads, (0, 0)])
    h, w = (max(0, by) for by in (rows, columns))
    return x[:, :, h : h + x.shape[2] - abs(rows), w : w + x.shape[3] - abs(columns)]
