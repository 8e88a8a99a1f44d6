import numpy as np
import pytest
from scipy import ndimage

from pv_vae_jax.metrics import fidelity


@pytest.fixture
def pair():
    """Two clips of two frames 16x20, the second pair nearer than the first."""
    rng = np.random.default_rng(0)
    original = rng.integers(0, 256, (2, 2, 16, 20, 3))
    noise = rng.normal(0, [[40.0], [5.0]], (2, original[0].size)).reshape(original.shape)
    other = np.clip(original + noise, 0, 255)
    return original.astype(np.uint8), np.rint(other).astype(np.uint8)


def test_psnr_is_that_of_the_error_over_all_frames_of_each_clip():
    original = np.full((2, 3, 4, 4, 3), 100, np.uint8)
    other = original.copy()
    other[0] += 16  # a uint8 difference of 84 - 100 must not wrap
    other[1, 0] -= 30
    expected = 10 * np.log10(255**2 / np.array([256, 900 / 3]))
    np.testing.assert_allclose(fidelity.psnr(original, other), expected)


def test_psnr_of_equal_clips_is_that_of_8_bit_rounding():
    clip = np.zeros((1, 1, 11, 11, 3), np.uint8)
    np.testing.assert_allclose(fidelity.psnr(clip, clip), 58.9226, atol=1e-4)
    assert fidelity.ssim(clip, clip) == 1.0


def test_ssim_is_the_mean_over_frames_of_wangs_formula(pair):
    def blur(image):  # 11 pixels: 3.5 sigma each side, rounded
        return ndimage.gaussian_filter(image, 1.5, axes=(0, 1), truncate=3.5)

    def wang(x, y):
        x, y = x.astype(np.float64), y.astype(np.float64)
        mean_x, mean_y = blur(x), blur(y)
        var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
        covariance = blur(x * y) - mean_x * mean_y
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        structure = (2 * covariance + c2) / (var_x + var_y + c2)
        return (luminance * structure)[5:-5, 5:-5].mean()  # where the window is whole

    expected = [
        np.mean([wang(*frames) for frames in zip(*clips, strict=True)])
        for clips in zip(*pair, strict=True)
    ]
    np.testing.assert_allclose(fidelity.ssim(*pair), expected, rtol=1e-6)


def test_pixels_that_are_not_8_bit_are_refused(pair):
    original, other = pair
    with pytest.raises(ValueError, match=r"uint8 videos \[B, T, H, W, 3\], got float32"):
        fidelity.psnr(original, other.astype(np.float32))
    with pytest.raises(ValueError, match="uint8 videos"):
        fidelity.ssim(original[0], other[0])


def test_videos_of_two_shapes_are_refused_and_never_broadcast(pair):
    original, other = pair
    with pytest.raises(ValueError, match="two videos have one shape"):
        fidelity.psnr(original, other[:, :1])


def test_ssim_of_frames_below_its_window_is_refused(pair):
    original, other = pair
    with pytest.raises(ValueError, match="frames of 11x11 or more, got 10x20"):
        fidelity.ssim(original[:, :, :10], other[:, :, :10])
