import numpy as np
import pytest

from pv_vae_jax.analysis import extrapolation
from pv_vae_jax.data import photographs


def sliding(frames, speed, size=48):
    """A photograph that slides to the left by whole pixels, uint8 [T, size, size, 3]."""
    picture = photographs.texture("coffee.png", 160)[40:]
    return np.stack([picture[:size, 30 + n * speed :][:, :size] for n in range(frames)])


def test_extrapolation_is_exact_for_constant_translation():
    clip = sliding(5, speed=2)
    back = np.broadcast_to(np.array([2.0, 0.0], np.float32), (48, 48, 2))
    found = extrapolation.moved(clip[1], back, 3)
    inside = slice(0, 48 - 3 * 2)  # what came in from outside nobody can know
    np.testing.assert_array_equal(found[:, :, inside], clip[2:, :, inside])


def test_the_velocity_is_measured_on_the_last_observed_pair():
    clip = sliding(8, speed=2).astype(int)
    found = extrapolation.extrapolated(clip[:4].astype(np.uint8), 4).astype(int)
    inside = slice(8, 32)
    error, repeated = (
        np.abs(clip[4:] - other)[:, inside, inside].mean() for other in (found, clip[3:4])
    )
    assert error < 0.2 * repeated


def test_a_place_outside_shows_the_edge():
    frame = np.arange(5, dtype=np.uint8).reshape(1, 5, 1) * np.ones((1, 1, 3), np.uint8)
    far = np.full((1, 5, 2), 100, np.float32)
    assert (extrapolation.warped(frame, far) == 4).all()


def test_one_frame_has_no_motion():
    with pytest.raises(ValueError, match="2 observed frames or more, got 1"):
        extrapolation.extrapolated(np.zeros((1, 16, 16, 3), np.uint8), 2)
