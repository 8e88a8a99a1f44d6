"""Exactness is tried here on one layer; the models' tests try it on the whole."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.layers import convolution

KERNEL, CHANNELS, FEATURES = (3, 3, 3), 5, 6


def arrays(size, strides=(1, 1), batch=2, frames=5, kernel=KERNEL, dtype=np.float32, around=0):
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, frames + kernel[0] - 1, size + around, size, CHANNELS))
    w = random.standard_normal((*kernel, CHANNELS, FEATURES)) / 10
    outputs = (frames - 1) // strides[0] + 1
    dy = random.standard_normal((batch, outputs, size // strides[1], size // strides[1], FEATURES))
    return x.astype(dtype), w.astype(dtype), dy.astype(dtype)


def by_loops(x, w, dy, strides, bordered=False):
    """Equations (1) to (3) of layers/convolution.py in float64, position by position."""
    (kt, kh, kw), (st, ss) = w.shape[:3], strides
    before = [(k - ss) // 2 for k in (kh, kw)]
    after = [k - ss - b for k, b in zip((kh, kw), before, strict=True)]
    if bordered:
        before[0] = after[0] = 0
    x = x.astype(np.float64)
    padded = np.pad(x, [(0, 0), (0, 0), *zip(before, after, strict=True), (0, 0)])
    y, dw, dpadded = np.zeros(dy.shape), np.zeros(w.shape), np.zeros(padded.shape)
    for t, h, v in itertools.product(*map(range, dy.shape[1:4])):
        window = np.s_[:, st * t : st * t + kt, ss * h : ss * h + kh, ss * v : ss * v + kw]
        y[:, t, h, v] = np.einsum("bijlc,ijlco->bo", padded[window], w)
        dw += np.einsum("bijlc,bo->ijlco", padded[window], dy[:, t, h, v])
        dpadded[window] += np.einsum("ijlco,bo->bijlc", w, dy[:, t, h, v])
    rows, columns = (slice(b, b + n) for b, n in zip(before, x.shape[2:4], strict=True))
    return y, dpadded[:, :, rows, columns], dw


@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (1, 2), (2, 2)], ids=str)
def test_every_form_and_its_gradients_are_the_sum_over_the_window(strides):
    x, w, dy = arrays(4, strides)
    wanted = by_loops(x, w, dy, strides)

    @jax.jit
    def all_forms(x, w, dy):
        results = {}
        for name, form in (convolution.FORMS | {"chosen": convolution.causal_conv3d}).items():
            if name in ("winograd", "spread") and strides != (1, 1):
                continue
            y, back = jax.vjp(lambda x, w, form=form: form(x, w, strides), x, w)
            results[name] = (y, *back(dy))
        return results

    for name, results in all_forms(x, w, dy).items():
        for what, result, right in zip(("y", "dx", "dw"), results, wanted, strict=True):
            error = np.abs(result - right).max() / np.abs(right).max()
            assert error < 1e-6, f"{what} of {name}: {error}"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_frames_smaller_than_the_kernel_have_the_same_sums_and_gradients(size):
    x, w, dy = arrays(size)

    @jax.jit
    def run(x, w, dy):
        y, back = jax.vjp(convolution.causal_conv3d, x, w)
        return y, *back(dy)

    for result, right in zip(run(x, w, dy), by_loops(x, w, dy, (1, 1)), strict=True):
        assert np.abs(result - right).max() < 1e-6 * np.abs(right).max()


def test_the_gradients_of_large_frames_are_those_of_small_ones(monkeypatch):
    x, w, dy = arrays(4)
    right = by_loops(x, w, dy, (1, 1))
    monkeypatch.setattr(convolution, "SMALL_FRAME", 0)
    monkeypatch.setattr(convolution, "FEW", 0)
    assert form((4, 4)) == "taps"
    _, back = jax.vjp(convolution.causal_conv3d, x, w)
    for result, wanted in zip(back(dy), right[1:], strict=True):
        assert np.abs(result - wanted).max() < 1e-6 * np.abs(wanted).max()


@pytest.mark.parametrize(
    "size, channels, features, kernel, strides",
    [
        (8, 48, 32, (3, 3, 3), (1, 1)),
        (8, 32, 32, (3, 3, 3), (2, 2)),
        (4, 96, 96, (3, 3, 3), (2, 2)),
        (2, 96, 128, (3, 3, 3), (1, 1)),
        (2, 128, 96, (1, 1, 1), (1, 1)),
        (1, 96, 64, (3, 3, 3), (1, 1)),
        (4, 128, 3, (3, 3, 3), (1, 1)),
        (20, 128, 12, (3, 3, 3), (1, 1)),
        (80, 3, 32, (3, 3, 3), (1, 1)),
    ],
)
def test_fewer_frames_or_clips_do_not_change_a_bit(size, channels, features, kernel, strides):
    random = np.random.default_rng(0)
    x = random.standard_normal((4, 17 + kernel[0] - 1, size, size, channels), np.float32)
    w = random.standard_normal((*kernel, channels, features), np.float32) / 10
    conv = jax.jit(convolution.causal_conv3d, static_argnums=2)
    whole = np.asarray(conv(x, w, strides))
    for batch, frames in ((1, 1), (1, 3), (2, 9)):
        part = np.asarray(conv(x[:batch, : frames + kernel[0] - 1], w, strides))
        np.testing.assert_array_equal(part, whole[:batch, : part.shape[1]])


def form(
    frame, channels=CHANNELS, features=FEATURES, kernel=KERNEL, strides=(1, 1), dtype="float32"
):
    return convolution.form_on_cpu(frame, (*kernel, channels, features), strides, jnp.dtype(dtype))


def test_narrow_layers_are_stacked_in_small_frames_only():
    assert form((8, 8), 32, 32) == "stack"
    assert form((64, 64), 32, 32) == "taps"
    assert form((5, 5), 512, 512) == "taps"


def test_few_channels_in_are_stacked_and_few_out_are_spread_whatever_the_frame():
    assert form((128, 128), 3, 128) == form((128, 128), 12, 160) == "stack"
    assert form((128, 128), 128, 3) == form((4, 4), 96, 12) == "spread"
    assert form((128, 128), 64, 3) == form((128, 128), 128, 32) == "taps"
    assert form((128, 128), 128, 3, strides=(1, 2)) == "taps"
    assert form((128, 128), 128, 3, kernel=(1, 1, 1)) == "taps"


def test_wide_layers_are_of_the_form_winograd_where_it_fits():
    wide = functools.partial(form, channels=512, features=256)
    assert wide((8, 8)) == wide((64, 2)) == wide((8, 8), kernel=(1, 3, 3)) == "winograd"
    assert form((64, 64), 96, 96) == "winograd"
    others = (
        wide((8, 7)),
        wide((7, 8)),
        wide((8, 8), features=96),
        wide((8, 8), kernel=(3, 1, 1)),
        wide((8, 8), strides=(1, 2)),
        wide((8, 8), strides=(2, 1)),
        wide((8, 8), dtype="bfloat16"),
        form((64, 64), 96, 64),
    )
    assert "winograd" not in others


def test_the_layers_of_the_tiny_model_keep_their_bits_in_small_frames():
    for frame in ((2, 2), (4, 4), (16, 16), (16, 32)):
        for channels, features in itertools.product((32, 64, 96), repeat=2):
            assert form(frame, channels, features) != "winograd"


@pytest.mark.parametrize("kernel", [(3, 2, 2), (2, 2, 4), (1, 4, 3)], ids=str)
@pytest.mark.parametrize("small_frame", [0, convolution.SMALL_FRAME])
@pytest.mark.parametrize("bordered", [False, True])
def test_kernels_with_even_sides_have_the_same_sums_and_gradients(
    kernel, small_frame, bordered, monkeypatch
):
    monkeypatch.setattr(convolution, "SMALL_FRAME", small_frame)
    x, w, dy = arrays(5, kernel=kernel, around=kernel[1] - 1 if bordered else 0)
    y, back = jax.vjp(lambda x, w: convolution.causal_conv3d(x, w, (1, 1), bordered), x, w)
    for result, right in zip((y, *back(dy)), by_loops(x, w, dy, (1, 1), bordered), strict=True):
        assert result.shape == right.shape
        assert np.abs(result - right).max() < 1e-6 * np.abs(right).max()


@pytest.mark.parametrize("platform, convolutions", [("cpu", 1), ("cuda", 1), ("tpu", 1)])
def test_only_the_platforms_own_form_is_lowered(platform, convolutions):
    x, w, _ = arrays(4)
    text = (
        jax.jit(convolution.causal_conv3d)
        .trace(x, w)
        .lower(lowering_platforms=(platform,))
        .as_text()
    )
    assert text.count("stablehlo.convolution") == convolutions
    is_3d = "[b, 0, 1, 2, f]" in text
    assert is_3d == (platform != "cpu")


def test_the_gradient_of_a_gradient_exists():
    x, w, _ = arrays(3, frames=1, batch=1)

    def slope(w):
        return jnp.sum(jax.grad(lambda x: jnp.sum(convolution.causal_conv3d(x, w) ** 2))(x) ** 2)

    direction = np.random.default_rng(1).standard_normal(w.shape).astype(np.float32)
    gradient, value = jax.jit(jax.grad(slope)), jax.jit(slope)
    step = np.float32(1e-2)
    finite = (value(w + step * direction) - value(w - step * direction)) / (2 * step)
    exact = np.vdot(gradient(w), direction)
    assert abs(finite - exact) < 2e-2 * abs(exact)


def test_the_weight_gradient_of_bfloat16_is_summed_in_float32():
    x, w, dy = arrays(4)
    low = functools.partial(jnp.asarray, dtype=jnp.bfloat16)
    gradient = convolution.weight_gradient(low(x), low(dy), KERNEL)
    assert gradient.dtype == jnp.float32
    exact = by_loops(*(np.asarray(low(a), np.float32) for a in (x, w, dy)), (1, 1))[2]
    assert np.abs(gradient - exact).max() < 1e-6 * np.abs(exact).max()
