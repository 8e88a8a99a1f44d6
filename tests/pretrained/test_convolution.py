import jax
import numpy as np
import pytest
from jax import lax

from pv_vae_jax.pretrained import convolution

# (rows, columns), kernel, stride, padding: as VGG16 and AlexNet have them, and what they leave over
CASES = [
    ((8, 9), 3, 1, ((1, 1), (1, 1))),
    ((3, 7), 3, 1, ((1, 1), (1, 1))),
    ((2, 2), 3, 1, ((1, 1), (1, 1))),
    ((1, 1), 3, 1, ((1, 1), (1, 1))),
    ((4, 5), 5, 1, ((2, 2), (2, 2))),
    ((32, 33), 11, 4, ((2, 2), (2, 2))),
    ((31, 34), 11, 4, ((2, 2), (2, 2))),
]


@pytest.mark.parametrize("size, k, stride, padding", CASES)
def test_values_and_both_gradients_are_those_of_the_plain_convolution(size, k, stride, padding):
    random = np.random.default_rng(0)
    x = random.standard_normal((2, *size, 3), np.float32)
    kernel = random.standard_normal((k, k, 3, 4), np.float32)

    def plain(x, kernel, strides, padding):
        names = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=names)

    @jax.jit
    def all_three(x, kernel):
        results = []
        for form in (convolution.convolve, plain):
            y, back = jax.vjp(lambda x, w, form=form: form(x, w, (stride,) * 2, padding), x, kernel)
            weight = np.sin(np.arange(y.size, dtype=np.float32)).reshape(y.shape)
            results.append((y, *back(weight)))
        return results

    for ours, wanted in zip(*all_three(x, kernel), strict=True):
        assert ours.shape == wanted.shape
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
