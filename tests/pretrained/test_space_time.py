import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.pretrained import space_time


def padded(x, window, strides, value):
    """TensorFlow's SAME by its definition, for windows laid by hand."""
    pads = [(0, 0)]
    for n, k, s in zip(x.shape[1:4], window, strides, strict=True):
        missing = max(0, (-(-n // s) - 1) * s + k - n)
        pads.append((missing // 2, missing - missing // 2))
    return np.pad(x, [*pads, (0, 0)], constant_values=value)


def windows(x, window, strides, value):
    """Each result's window: ``[B, T', H', W', C, kt, kh, kw]``."""
    laid = np.lib.stride_tricks.sliding_window_view(
        padded(x, window, strides, value), window, axis=(1, 2, 3)
    )
    return laid[:, :: strides[0], :: strides[1], :: strides[2]]


def random(*shape):
    return np.random.default_rng(list(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("form", [space_time._plain, space_time._on_cpu])
@pytest.mark.parametrize(
    ("frames", "height", "width", "size", "stride", "channels"),
    [
        (9, 12, 10, 7, 2, 3),  # the stem: an odd number of frames, an even frame
        (10, 11, 13, 7, 2, 3),
        (3, 7, 7, 3, 1, 50),  # odd: taps on the channels
        (2, 6, 4, 3, 1, space_time.WIDE),  # Winograd
        (1, 4, 4, 3, 1, 5),
    ],
)
def test_a_convolution_is_its_sum_whatever_the_form(
    form, frames, height, width, size, stride, channels
):
    x, kernel = random(2, frames, height, width, channels), random(size, size, size, channels, 4)
    laid = windows(x.astype(np.float64), (size,) * 3, (stride,) * 3, 0)
    wanted = np.einsum("bthwcijk,ijkco->bthwo", laid, kernel)
    found = jax.jit(form, static_argnums=2)(x, kernel, stride)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_a_convolution_ends_in_its_bias_and_a_relu():
    x, kernel, bias = random(1, 2, 3, 3, 5), random(1, 1, 1, 5, 4), random(4)
    wanted = np.maximum(x @ kernel[0, 0, 0] + bias, 0)
    found = space_time.convolve(jnp.asarray(x), jnp.asarray(kernel), jnp.asarray(bias))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert (wanted == 0).any()


@pytest.mark.parametrize("form", [space_time._window, space_time._by_axis])
@pytest.mark.parametrize(
    ("window", "strides"),
    [
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
    ],
)
def test_a_maximum_knows_nothing_outside_of_the_frame(form, window, strides):
    for frames, height in itertools.product((5, 6), (7, 8)):
        x = -1 - np.abs(random(2, frames, height, 9, 3))  # a zero outside would be the maximum
        wanted = windows(x, window, strides, -np.inf).max(axis=(5, 6, 7))
        found = form(jnp.asarray(x), window, strides, "SAME")
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("size", range(1, 20))
@pytest.mark.parametrize(("window", "stride"), [(7, 2), (3, 1), (3, 2), (2, 2), (1, 2)])
def test_same_is_what_xla_calls_same(size, window, stride):
    wanted = jax.lax.padtype_to_pads((size,), (window,), (stride,), "SAME")
    assert [space_time.same(size, window, stride)] == wanted
