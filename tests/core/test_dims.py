import numpy as np
import pytest

from pv_vae_jax.core import dims


@pytest.mark.parametrize("frames, groups", [(1, 1), (5, 2), (9, 3), (17, 5)])
def test_a_clip_of_one_plus_four_n_frames_has_one_plus_n_groups(frames, groups):
    assert dims.groups_of(frames, 4) == groups
    assert dims.frames_of(groups, 4) == frames


def test_another_length_is_refused_naming_the_nearest():
    with pytest.raises(ValueError, match="got 16: cut to 13 or pad to 17"):
        dims.groups_of(16, 4)
    with pytest.raises(ValueError, match="got 0: pad to 1"):
        dims.groups_of(0, 4)


def test_a_size_that_is_no_multiple_is_refused_naming_the_nearest():
    dims.check_size(32, 48, 16)
    with pytest.raises(
        ValueError, match="height .* multiple of 16, got 33: crop to 32 or pad to 48"
    ):
        dims.check_size(33, 48, 16)
    with pytest.raises(ValueError, match="width .* got 9: pad to 16"):
        dims.check_size(32, 9, 16)


def test_frame_zero_is_a_group_of_its_own():
    np.testing.assert_array_equal(dims.group_of_frame(9, 4), [0, 1, 1, 1, 1, 2, 2, 2, 2])
