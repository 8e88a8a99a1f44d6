"""Errors of flow by hand."""

import numpy as np
import pytest

from pv_vae_jax.metrics import flow


def test_the_end_point_error_is_the_mean_length_of_the_difference_by_clip():
    true = np.zeros((2, 1, 1, 2, 2))
    found = np.zeros_like(true)
    found[0, 0, 0, 0] = 3, 4
    found[1, 0, 0] = (0, 1), (-2, 0)
    np.testing.assert_allclose(flow.end_point_error(found, true), [5 / 2, 3 / 2])


def test_an_outlier_is_off_by_3_pixels_and_by_5_per_cent():
    true = np.array([[[100.0, 0], [100, 0], [0, 0], [0, 0]]])
    found = true + np.array([[[4.0, 0], [0, 6], [4, 0], [3, 0]]])
    np.testing.assert_allclose(flow.outliers(found, true), [2 / 4])


def test_flows_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        flow.end_point_error(np.zeros((1, 2, 2)), np.zeros((1, 3, 2)))
