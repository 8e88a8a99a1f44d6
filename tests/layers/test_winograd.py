"""Winograd's form against the plain convolution, and its transforms against NumPy's matrices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.layers import convolution, winograd

B_T = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float32)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
A_T = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float32)
WIDE = 128


def arrays(shape, channels=8, features=6, kt=3, around=0):
    """x, w, dy of results ``(B, T, H, W)``, with ``around`` more rows of x."""
    random = np.random.default_rng(0)
    b, t, h, width = shape
    x = random.standard_normal((b, t + kt - 1, h + around, width, channels), np.float32)
    w = random.standard_normal((kt, 3, 3, channels, features), np.float32)
    return x, w / np.sqrt(w[..., 0].size), random.standard_normal((*shape, features), np.float32)


def assert_close(result, right, most=2e-6):
    assert result.shape == right.shape
    assert np.abs(result - right).max() < most * np.abs(right).max()


def test_a_row_of_three_taps_by_hand():
    # Inputs 1 2 3 4, taps 1 10 100: 1 + 20 + 300 and 2 + 30 + 400.
    x, w = np.float32([1, 2, 3, 4]), np.float32([1, 10, 100])
    np.testing.assert_array_equal(B_T @ x, [-2, 5, 1, -2])
    np.testing.assert_array_equal(G @ w, [1, 55.5, 45.5, 100])
    np.testing.assert_array_equal(A_T @ ((B_T @ x) * (G @ w)), [321, 432])
    np.testing.assert_array_equal(winograd._b(*x), B_T @ x)
    np.testing.assert_array_equal(winograd._g(*w), G @ w)
    np.testing.assert_array_equal(winograd._a(*x), A_T @ x)


def test_the_transforms_are_products_with_the_matrices():
    x, w, _ = arrays((2, 3, 4, 6))
    x = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)])
    places = np.stack(winograd.kernel_places(w))
    right = np.einsum("pj,ql,ijlco->pqico", G, G, w)
    assert_close(places, right.reshape(places.shape))
    places = np.stack(winograd.input_places(x))
    assert places.shape == (16, 2, 5, 2, 3, 8)
    for i, j in ((0, 0), (1, 0), (0, 2), (1, 2)):
        tile = x[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4]
        right = np.einsum("pr,qs,btrsc->pqbtc", B_T, B_T, tile)
        assert_close(places[:, :, :, i, j], right.reshape(16, 2, 5, 8))
    y = winograd.output_tiles(list(places))
    right = np.einsum("ip,jq,pqbthwc->bthiwjc", A_T, A_T, places.reshape(4, 4, *places.shape[1:]))
    assert_close(y, right.reshape(y.shape))


@pytest.mark.parametrize(
    "shape, least, kt, bordered",
    [
        ((1, 1, 2, 2), 1000, 3, False),  # one part
        ((2, 5, 4, 6), 20, 3, False),  # of both clips and 3 frames: 5 and one to fill up
        ((2, 5, 4, 6), 20, 2, True),
        ((2, 3, 14, 8), 20, 3, False),  # of one frame
        ((2, 3, 14, 8), 4, 3, False),  # of 4 rows of tiles: 7 and one to fill up
        ((2, 3, 14, 8), 4, 3, True),
        ((2, 3, 14, 8), 1, 1, True),
    ],
)
def test_any_parts_make_the_convolution_and_its_gradient(shape, least, kt, bordered, monkeypatch):
    monkeypatch.setattr(winograd, "LEAST_TILES", least)
    x, w, dy = arrays(shape, kt=kt, around=2 if bordered else 0)
    plain = functools.partial(convolution.conv3d, strides=(1, 1), bordered=bordered)
    y, back = jax.vjp(plain, x, w)
    assert_close(winograd.winograd(x, w, (1, 1), bordered), y)
    parts = winograd.input_gradient(w, dy, bordered)
    dx = sum(np.pad(g, [(0, 0), (i, kt - 1 - i)] + [(0, 0)] * 3) for i, g in enumerate(parts))
    assert_close(dx, back(dy)[0])


@pytest.mark.parametrize("bordered", [False, True])
@pytest.mark.parametrize("size", [6, 7])
def test_wide_layers_have_the_values_and_gradients_of_the_plain_convolution(size, bordered):
    x, w, dy = arrays((2, 3, size, 6), WIDE, WIDE + 8, around=2 if bordered else 0)

    @functools.partial(jax.jit, static_argnums=0)
    def run(form, x, w, dy):
        y, back = jax.vjp(lambda x, w: form(x, w, (1, 1), bordered), x, w)
        return y, *back(dy)

    results = run(convolution.causal_conv3d, x, w, dy)
    for result, right in zip(results, run(convolution.conv3d, x, w, dy), strict=True):
        assert_close(result, right)


@pytest.mark.parametrize("size, channels, most", [(8, WIDE, 2e-5), (32, 96, 0.0), (64, 96, 0.0)])
def test_fewer_frames_or_clips_change_no_more_than_rounding_and_large_frames_nothing(
    size, channels, most
):
    x, w, _ = arrays((2, 9, size, size), channels, channels)
    frame = (size, size)
    assert convolution.form_on_cpu(frame, w.shape, (1, 1), x.dtype) == "winograd"
    conv = jax.jit(convolution.causal_conv3d)
    whole = np.asarray(conv(x, w))
    for clips, frames in ((1, 1), (1, 4), (2, 5), (1, 9)):
        part = np.asarray(conv(x[:clips, : frames + 2], w))
        difference = np.abs(part - whole[:clips, :frames]).max()
        assert difference <= most * np.abs(whole).max()


def test_the_parts_of_large_frames_do_not_depend_on_clips_and_frames():
    for rows, columns in ((16, 16), (32, 32), (61, 40), (1, 300), (300, 1), (45, 80)):
        parts = {winograd._part(b, t, rows, columns) for b in (1, 3, 8) for t in (1, 4, 17)}
        ((clips, frames, own),) = parts
        assert clips == frames == 1
        assert own * columns >= winograd.LEAST_TILES


def test_the_gradient_of_a_gradient_exists():
    x, w, _ = arrays((1, 1, 2, 2), WIDE, WIDE)

    def slope(w):
        return jnp.sum(jax.grad(lambda x: jnp.sum(convolution.causal_conv3d(x, w) ** 2))(x) ** 2)

    gradient = jax.jit(jax.grad(slope))(w)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    "shape, kernel, strides",
    [
        ((1, 1, 3, 4), (3, 3, 3), (1, 1)),
        ((1, 1, 4, 4), (3, 1, 1), (1, 1)),
        ((1, 1, 4, 4), (3, 3, 3), (1, 2)),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(shape, kernel, strides):
    x, w = np.zeros((*shape, 2), np.float32), np.zeros((*kernel, 2, 2), np.float32)
    with pytest.raises(ValueError, match="3 x 3 in space, strides of 1 and even"):
        winograd.winograd(x, w, strides)
